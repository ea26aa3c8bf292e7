"""What Towline made on a host, taken away again; nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from towline.errors import UsageError
from towline.provision import daemon
from towline.provision.facts import UNREADABLE, Facts
from towline.provision.plan import APT, Step, need_root
from towline.provision.record import FOLDER, OLD_PATH, PATH, STATE
from towline.provision.root import as_user, write_file

# One a second.
_USERDEL_TRIES = 6


def deprovision(facts: Facts, *, force: bool = False) -> list[Step]:
    """The steps that undo what the host's record names; none when it names nothing.

    Raises:
        UsageError: When environments are deployed or containers run there and `force` is not given,
            or when we are logged in as the user who would be removed.
    """
    record = facts.record
    if not record.made:
        return []
    need_root(facts)
    if facts.deployed and not force:
        raise UsageError(
            f"there is deployed: {', '.join(facts.deployed)}",
            remedy="take it down first (`inv down --env …`, on every project), or add --force; "
            "containers and volumes stay on the disk",
        )
    if facts.engine.running and record.packages and not force:
        count = facts.engine.running
        running = "1 container runs" if count == 1 else f"{count} containers run"
        raise UsageError(
            f"{running} there, and would stop with the engine, which is removed too",
            remedy="`docker ps` there lists them; stop what is no longer needed, or add --force",
        )
    if record.user_made and facts.host.user == record.user:
        raise UsageError(
            f"{record.user} cannot remove the user {record.user}",
            remedy="log in as another: --login root",
        )
    parts = (_folder, _user, _daemon, _packages, _files)
    return [*(step for part in parts for step in part(facts)), _record(facts)]


def left(facts: Facts) -> list[str]:
    """What stays there, in words."""
    said = []
    if facts.containers:
        said.append(f"{len(facts.containers)} containers, in the engine's folder")
    if facts.volumes:
        said.append(f"{facts.volumes} volumes, in the engine's folder")
    if facts.environments:
        said.append(f"releases and journals of {', '.join(facts.environments)}, in {STATE}")
    return said


def _folder(facts: Facts) -> Iterator[Step]:
    """A state folder that was somebody else's is theirs again."""
    record, owner = facts.record, facts.record.folder_owner
    if owner and STATE not in record.folders and facts.folder == record.user:
        yield Step(f"give {STATE} back to {owner}", f"chown {owner}: {STATE}")


def _user(facts: Facts) -> Iterator[Step]:
    record = facts.record
    if record.user_made:
        yield Step(
            f"remove the user {record.user}; its home folder goes if nothing of others is in it",
            _without_user(record.user, facts),
        )
        return
    if record.keys:
        yield Step(
            f"take the keys from {record.user} that were added", _without_keys(record.user, facts)
        )
    if record.group_joined and "docker" in facts.groups:
        yield Step(
            f"take {record.user} out of the group docker", f"gpasswd --delete {record.user} docker"
        )


def _without_user(user: str, facts: Facts) -> str:
    """What came with the user goes: our keys, and the files that `useradd` copied."""
    tidy = """\
set -eu
cd "$HOME"
[ -s .ssh/authorized_keys ] || rm -f .ssh/authorized_keys
rmdir .ssh 2>/dev/null || true
(cd /etc/skel && find . -type f) | while read -r file; do
  ! cmp -s "/etc/skel/$file" "$file" || rm "$file"
done"""
    keys = f"\n{_without_keys(user, facts)}" if facts.record.keys else ""
    return f"""\
home=$(getent passwd {user} | cut -d: -f6)
[ -n "$home" ] || exit 0
if [ -d "$home" ]; then{keys}
{as_user(user, tidy)}
fi
# It is refused (8) while a session that just ended still has a process there.
tries=0 code=8
while [ $code = 8 ] && [ $tries -lt {_USERDEL_TRIES} ]; do
  [ $tries = 0 ] || sleep 1
  tries=$((tries + 1)) code=0
  said=$(userdel {user} 2>&1) || code=$?
done
[ -z "$said" ] || echo "$said"
[ $code = 0 ] || exit $code
[ ! -d "$home" ] || rmdir "$home" 2>/dev/null || {{
  # Whoever gets that user's number one day does not get what is in there.
  chown root: "$home" && chmod 0700 "$home"
}}"""


def _without_keys(user: str, facts: Facts) -> str:
    lines = "\n".join(facts.record.keys) + "\n"
    script = f"""\
set -eu
umask 077
file=$HOME/.ssh/authorized_keys
[ -f "$file" ] || exit 0
printf %s {shlex.quote(lines)} | grep -vxFf - "$file" >"$file.towline" || true
cat "$file.towline" >"$file"
rm "$file.towline\""""
    return as_user(user, script)


def _daemon(facts: Facts) -> Iterator[Step]:
    record = facts.record
    if not record.daemon or facts.daemon in (None, UNREADABLE):
        return
    text = daemon.without(facts.daemon, record.daemon)
    if text is None:
        return
    is_empty = record.daemon_made and text.strip() == "{}"
    lines = [f"rm -f {daemon.PATH}"] if is_empty else write_file(daemon.PATH, text, "0644")
    yield Step("take the log rotation out of daemon.json", "\n".join(lines))


def _packages(facts: Facts) -> Iterator[Step]:
    names = facts.record.packages
    if not names:
        return
    listed = shlex.join(names)
    # What else needs one of them would go too: then all stay.
    script = f"""\
there=$(dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}}\\n' {listed} 2>/dev/null |
  awk '$1 == "ii" {{ print $2 }}')
[ -n "$there" ] || exit 0
others=$({APT} --simulate remove $there | awk '/^Remv / {{ print $2 }}' | while read -r name; do
  printf '%s\\n' {listed} | grep -qxF "$name" || echo "$name"; done)
if [ -n "$others" ]; then echo "needed by" $others >&2; exit 1; fi
if [ -d /run/systemd/system ]; then systemctl stop docker.socket docker || true
elif [ -x /etc/init.d/docker ]; then service docker stop || true; fi
{APT} remove --yes $there"""
    yield Step(f"remove {len(names)} packages that were installed for it", script)


def _files(facts: Facts) -> Iterator[Step]:
    for path, digest in facts.record.files.items():
        quoted, known = shlex.quote(path), shlex.quote(digest)
        # One that somebody changed since is theirs.
        yield Step(
            f"remove {path}",
            f'[ "$(sha256sum {quoted} 2>/dev/null | cut -d" " -f1)" != {known} ] || rm {quoted}',
        )


def _record(facts: Facts) -> Step:
    made = STATE in facts.record.folders
    lines = [f"rm -f {PATH} {OLD_PATH}", f"rmdir {FOLDER} 2>/dev/null || true"]
    if made:
        lines.append(f"rmdir {STATE} 2>/dev/null || chown root: {STATE}")
    return Step(f"forget what was made; {STATE} goes if it is empty", "\n".join(lines))
