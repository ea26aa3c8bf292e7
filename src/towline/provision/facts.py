"""What is known of a host before it is prepared or checked: one command, one answer.

It answers the question of `hosts/facts.py` in the same command.
"""

from __future__ import annotations

import base64
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from towline.config.redaction import excerpt
from towline.errors import TowlineError
from towline.hosts import facts as host_facts
from towline.hosts.facts import HostFacts
from towline.provision.record import Record
from towline.provision.record import read as read_record
from towline.provision.root import ask
from towline.provision.systems import KNOWN

if TYPE_CHECKING:
    from towline.hosts.connection import SshConnection

_SCRIPT = Path(__file__).resolve().parents[1] / "templates" / "provision" / "facts"
# What stands for a file that is there and cannot be read.
UNREADABLE = "?"


@dataclass(frozen=True)
class Engine:
    """What a running engine says of itself.

    Attributes:
        version: Its version; empty when none answers.
        logging: Its logging driver.
        running: Containers that run.
        error: Why none answers.
    """

    version: str = ""
    logging: str = ""
    running: int = 0
    error: str = ""


@dataclass(frozen=True)
class Container:
    """A container there: its name, the environment that it belongs to, what it publishes."""

    name: str
    environment: str = ""
    ports: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Facts:
    """One host.

    Attributes:
        host: What every deploy asks a host, too: who we are there, Docker's client and Compose.
        rights: How we act as root: `root`, `sudo`, or empty when we cannot.
        identity: `ID` of os-release; `version`, `codename` and `system` are further lines of it.
        arch: As dpkg calls it.
        init: `systemd`, `script` when /etc/init.d/docker starts the engine, or empty.
        apparmor: Whether the kernel enforces AppArmor.
        packages: Those of the asked ones that are installed.
        interrupted: What `dpkg --audit` says; empty when all is well.
        repository: The apt source that names Docker's repository.
        key: Docker's key there.
        user: Whom the host is for.
        home: That user's home; empty when there is no such user.
        groups: The user's groups.
        keys: Lines of the user's authorized_keys; None when they cannot be read.
        buildx: Version of buildx.
        engine: The engine, asked with all rights that we have.
        own: The engine, asked as the login.
        enabled: Whether systemd starts the engine when the host starts.
        containers: All containers.
        volumes: How many volumes there are.
        daemon: Text of daemon.json; None when there is none, `?` when it cannot be read.
        folder: Who owns the state folder; empty when there is none.
        environments: PROJECT/ENV whose state lies there.
        record: What Towline made there.
        untrusted: Path of a record that somebody else than root could write; it is ignored.
        disk_images: Free bytes for images; `disk_state` for state.
        memory: Bytes of memory.
        skew: Seconds that its clock is ahead of ours.
        synchronised: Whether something keeps its clock right.
        ufw: `active`, `inactive`, or empty when it is not installed.
        firewall: `nftables` or `iptables` when one of them filters what comes in.
        upgrades: Whether security updates install themselves.
        reboot: Whether an update waits for a restart.
    """

    host: HostFacts = field(default_factory=HostFacts)
    rights: str = "root"
    identity: str = ""
    version: str = ""
    codename: str = ""
    system: str = ""
    arch: str = ""
    init: str = ""
    apparmor: bool = False
    packages: frozenset[str] = frozenset()
    interrupted: str = ""
    repository: str = ""
    key: str = ""
    user: str = "deploy"
    home: str = ""
    groups: frozenset[str] = frozenset()
    keys: tuple[str, ...] | None = ()
    buildx: str = ""
    engine: Engine = Engine()
    own: Engine = Engine()
    enabled: bool = False
    containers: tuple[Container, ...] = ()
    volumes: int = 0
    daemon: str | None = None
    folder: str = ""
    environments: tuple[str, ...] = ()
    record: Record = field(default_factory=Record)
    untrusted: str = ""
    disk_images: int = 0
    disk_state: int = 0
    memory: int = 0
    skew: float = 0.0
    synchronised: bool = False
    ufw: str = ""
    firewall: str = ""
    upgrades: bool = False
    reboot: bool = False

    @property
    def deployed(self) -> tuple[str, ...]:
        """PROJECT/ENV of environments that have containers or state there."""
        running = {item.environment for item in self.containers if item.environment}
        return tuple(sorted(running | set(self.environments)))


def gather(connection: SshConnection, user: str, packages: Sequence[str] = ()) -> Facts:
    """Ask a host.

    Args:
        connection: The connection to it.
        user: Whom the host is for.
        packages: Packages to ask for besides those of the engine.

    Raises:
        TowlineError: When the host cannot be reached, or does not answer as a Unix does.
    """
    names = " ".join(dict.fromkeys((*KNOWN, *packages)))
    script = f"user={shlex.quote(user)} packages={shlex.quote(names)}\n"
    began = time.time()
    answer = ask(connection, f"{script}{_SCRIPT.read_text()}\n{host_facts.SCRIPT}\n")
    ended = time.time()
    said = dict(line.partition(" ")[::2] for line in answer.out.splitlines())
    if said.get("end") != "yes" or not said.get("time", "").isdigit():
        raise TowlineError(
            f"{connection.address.short} does not answer as expected: "
            f"{excerpt(answer.err or answer.out, 200)!r}",
            remedy="its login shell must be one like sh, and print nothing by itself",
        )
    there = int(said["time"])
    skew = max(there - ended, 0.0) or min(there + 1 - began, 0.0)
    try:
        return understood(said, user, skew, host_facts.understood(answer.out))
    except ValueError:
        # Numbers or base64 that are none: something else printed in between.
        raise TowlineError(
            f"{connection.address.short} does not answer as expected: {excerpt(answer.out, 200)!r}",
            remedy="its login shell must be one like sh, and print nothing by itself",
        ) from None


def understood(
    said: Mapping[str, str], user: str, skew: float = 0.0, host: HostFacts | None = None
) -> Facts:
    """Facts from the lines of an answer: name -> value.

    Args:
        said: The lines.
        user: Whom the host is for.
        skew: Seconds that its clock is ahead of ours.
        host: What it answered to the question that every deploy asks.

    Raises:
        TowlineError: When the record there is damaged.
    """

    def get(name: str) -> str:
        return said.get(name, "")

    record, keys, daemon = (_text(get(name)) for name in ("record", "keys", "daemon"))
    return Facts(
        host=host or HostFacts(),
        rights=get("rights"),
        identity=get("id"),
        version=get("version"),
        codename=get("codename"),
        system=get("system"),
        arch=get("arch"),
        init=get("init"),
        apparmor=get("apparmor") == "Y",
        packages=frozenset(get("packages").split()),
        interrupted=get("interrupted"),
        repository=get("repository"),
        key=_text(get("key")) or "",
        user=user,
        home=get("home"),
        groups=frozenset(get("groups").split()),
        keys=None if keys == UNREADABLE else tuple((keys or "").splitlines()),
        buildx=get("buildx"),
        engine=_engine(get("engine"), get("engine-error")),
        own=_engine(get("own"), get("own-error")),
        enabled=get("enabled") == "enabled",
        containers=tuple(_container(line) for line in _lines(get("containers"))),
        volumes=_number(get("volumes")),
        daemon=daemon,
        folder=get("folder"),
        environments=tuple(_lines(get("environments"))),
        record=read_record(record) if record and record != UNREADABLE else Record(),
        untrusted=get("untrusted"),
        disk_images=_number(get("disk-images")) * 1024,
        disk_state=_number(get("disk-state")) * 1024,
        memory=_number(get("memory")) * 1024,
        skew=skew,
        synchronised=get("synchronised") == "yes",
        ufw=get("ufw").removeprefix("Status: "),
        firewall=get("firewall"),
        upgrades=get("upgrades") not in ("", "0"),
        reboot=get("reboot") == "yes",
    )


def _text(value: str) -> str | None:
    """The content of a file: None when there is none."""
    if not value.startswith("="):
        return value or None
    return base64.b64decode(value[1:]).decode(errors="replace")


def _lines(value: str) -> list[str]:
    return base64.b64decode(value).decode(errors="replace").splitlines()


def _number(value: str) -> int:
    return int(value) if value.isdigit() else 0


def _engine(value: str, error: str) -> Engine:
    if value.count("|") != 3:
        return Engine(error=error)
    version, logging, _, running = value.split("|")
    return Engine(version, logging, _number(running), error) if version else Engine(error=error)


def _container(line: str) -> Container:
    name, project, environment, ports = [*line.split("|", 3), "", "", ""][:4]
    published = re.findall(r":(\d+)(?:-(\d+))?->", ports)
    numbers = {n for low, high in published for n in range(int(low), int(high or low) + 1)}
    where = f"{project}/{environment}" if project else ""
    return Container(name, where, frozenset(numbers))
