"""What a host lacks, as steps. Pure: from what is known of it to scripts for root."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from towline.errors import UsageError
from towline.provision import daemon
from towline.provision.docker_key import docker_key
from towline.provision.facts import UNREADABLE, Facts
from towline.provision.public_keys import identity
from towline.provision.record import STATE, USER, Record
from towline.provision.root import as_user, write_file
from towline.provision.systems import Source, System, require

KEYRING = "/etc/apt/keyrings/docker.asc"
SOURCES = "/etc/apt/sources.list.d/docker.list"
ROOT = "root"
# Somebody else may install right now; what somebody configured there stays.
APT = (
    "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "
    "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
)
_ANSWERS = """\
n=0
until docker info >/dev/null 2>&1; do
  n=$((n + 1))
  if [ $n -ge 300 ]; then echo "the engine does not answer within 30 s" >&2; exit 1; fi
  sleep 0.1
done"""
_START = f"""\
if [ -d /run/systemd/system ]; then systemctl enable --now docker
elif [ -x /etc/init.d/docker ]; then service docker start
else echo "nothing here starts services: start dockerd by what does" >&2; exit 1; fi
{_ANSWERS}"""
_RESTART = f"""\
if [ -d /run/systemd/system ]; then systemctl restart docker; else service docker restart; fi
{_ANSWERS}"""


@dataclass(frozen=True)
class Wanted:
    """What a host is to be prepared for.

    Attributes:
        user: Who deploys there.
        keys: Public keys that this user accepts.
        source: Where the engine comes from.
    """

    user: str
    keys: tuple[str, ...] = ()
    source: Source = "docker"


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: One line for people.
        script: Lines for root's `sh`.
        note: What it makes; it is on the host's record before the step begins.
        packages: A question to apt; what it would install is noted too.
    """

    title: str
    script: str
    note: Record = field(default_factory=Record)
    packages: str = ""


def plan(facts: Facts, wanted: Wanted) -> list[Step]:
    """The steps that make a host ready; none when it is.

    Raises:
        UsageError: When its system is another, we may not act as root there, or a choice does not
            fit.
    """
    system = require(facts.identity, facts.version, facts.system)
    if not USER.fullmatch(wanted.user):
        raise UsageError(f"{wanted.user!r} is no name of a user", remedy="for example deploy")
    need_root(facts)
    if facts.interrupted:
        raise UsageError(
            "its package manager was interrupted", remedy="run `dpkg --configure -a` there"
        )
    steps = [*_folder(facts)]
    fresh = not facts.engine.version
    if fresh:
        steps += _rotation(facts, restart=False)
    steps += _packages(facts, wanted, system)
    if fresh:
        steps.append(Step("start the engine, and whenever the host starts", _START))
    elif facts.init == "systemd" and not facts.enabled:
        steps.append(
            Step("start the engine whenever the host starts", "systemctl enable docker.service")
        )
    if not fresh:
        # Containers would stop with it.
        steps += _rotation(facts, restart=not facts.engine.running)
    if wanted.user != ROOT:
        steps += _user(facts, wanted)
    return steps


def need_root(facts: Facts) -> None:
    """Refuse to go on without the rights of root."""
    if not facts.rights:
        raise UsageError(
            f"{facts.host.user} may not act as root there",
            remedy="log in as one who may: --login root; or allow sudo without a password",
        )


def notes(facts: Facts) -> list[str]:
    """What a person should know and Towline leaves to them: the firewall, the clock."""
    said = []
    if facts.ufw == "active":
        said.append(
            "ufw is active, but does not see ports that containers publish: Docker opens them "
            "beside it"
        )
    elif facts.firewall:
        said.append(f"{facts.firewall} filters what comes in; containers' ports pass beside it")
    else:
        said.append("no firewall filters what comes in")
    said.append(
        "the world needs the ports of the router, you need SSH; nothing else should be reached: "
        "publish the rest on 127.0.0.1"
    )
    if facts.untrusted:
        said.append(
            f"{facts.untrusted} is ignored: others than root could have written it, and it says "
            "what root removes"
        )
    if not facts.synchronised:
        said.append("nothing keeps its clock right: install chrony or systemd-timesyncd")
    return said


def _folder(facts: Facts) -> Iterator[Step]:
    if not facts.folder:
        yield Step(f"make {STATE}", f"install -d -m 0755 {STATE}", Record(folders=(STATE,)))


def _rotation(facts: Facts, *, restart: bool) -> Iterator[Step]:
    if facts.daemon == UNREADABLE:
        raise UsageError(f"{daemon.PATH} cannot be read", remedy="look at it there")
    if daemon.rotates(facts.daemon):
        return
    text, added = daemon.with_rotation(facts.daemon)
    late = bool(facts.engine.version) and not restart
    title = "rotate the logs of containers" + (
        ", from the engine's next start on: containers run" if late else ""
    )
    lines = ["install -d -m 0755 /etc/docker", *write_file(daemon.PATH, text, "0644")]
    note = Record(daemon=added, daemon_made=facts.daemon is None)
    yield Step(title, "\n".join([*lines, *([_RESTART] if restart else [])]), note)


def _packages(facts: Facts, wanted: Wanted, system: System) -> Iterator[Step]:
    parts = system.packages(wanted.source)
    there = {
        "engine": bool(facts.engine.version) or _any(facts, parts.get("engine", ())),
        "client": bool(facts.host.docker),
        "compose": facts.host.compose.startswith(("2.", "3.", "4.", "5.")),
        "buildx": bool(facts.buildx),
    }
    missing = [part for part, has in there.items() if not has]
    for part in missing:
        if part in ("engine", "compose") and part not in parts:
            raise UsageError(
                f"{system.name}'s own packages have no {part.capitalize()} that Towline can use",
                remedy="take Docker's: --engine docker",
            )
    names = [name for part in missing for name in parts.get(part, ())]
    if not names:
        return
    if facts.apparmor and "apparmor" not in facts.packages:
        names.append("apparmor")
    update = f"{APT} update --quiet"
    if wanted.source == "docker" and not facts.repository:
        yield _repository(facts)
    if "ca-certificates" not in facts.packages:
        names.append("ca-certificates")
    listed = shlex.join(names)
    yield Step(
        f"install {', '.join(names)}",
        f"{update}\n{APT} install --yes --no-install-recommends {listed}",
        packages=f"{update} >/dev/null\n{APT} --simulate --no-install-recommends install {listed}",
    )


def _any(facts: Facts, names: tuple[str, ...]) -> bool:
    return any(name in facts.packages for name in names)


def _repository(facts: Facts) -> Step:
    address = f"https://download.docker.com/linux/{facts.identity}"
    line = f"deb [arch={facts.arch} signed-by={KEYRING}] {address} {facts.codename} stable\n"
    files = {KEYRING: docker_key(), SOURCES: line}
    script = ["install -d -m 0755 /etc/apt/keyrings"]
    for path, text in files.items():
        script += write_file(path, text, "0644")
    digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
    title = f"add {address} to apt's sources"
    return Step(title, "\n".join(script), Record(files=digests))


def _user(facts: Facts, wanted: Wanted) -> Iterator[Step]:
    user = wanted.user
    if not facts.home:
        yield Step(
            f"make the user {user}",
            f"useradd --create-home --shell /bin/bash --password '*' {user}",
            Record(user=user, user_made=True),
        )
    if "docker" not in facts.groups:
        yield Step(
            f"let {user} use the engine (group docker)",
            f"usermod --append --groups docker {user}",
            Record(user=user, group_joined=True),
        )
    known = {identity(line) for line in facts.keys or ()}
    new = tuple(key for key in wanted.keys if identity(key) not in known)
    if new:
        yield Step(
            f"let {user} log in with {_count(len(new), 'key')} of yours",
            _add_keys(user, new),
            Record(user=user, keys=new),
        )
    if facts.folder != user:
        before = facts.folder if USER.fullmatch(facts.folder) else ""
        note = Record(user=user, folder_owner=before)
        yield Step(f"give {STATE} to {user}", f"chown {user}: {STATE}", note)


def _add_keys(user: str, keys: tuple[str, ...]) -> str:
    lines = "\n".join(keys) + "\n"
    script = f"""\
set -eu
umask 077
file=$HOME/.ssh/authorized_keys
mkdir -p "$HOME/.ssh"
[ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || echo >>"$file"
printf %s {shlex.quote(lines)} >>"$file"
chmod 0600 "$file\""""
    return as_user(user, script)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
