"""Scripts on a host: sent through standard input, run with the rights that the login has."""

from __future__ import annotations

import base64
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towline.hosts.base import Result
    from towline.hosts.connection import SshConnection

# Read as a whole before it runs: else a command in it would read the rest of it. No list of
# processes shows it.
_WHOLE = 'script=$(cat); eval "$script" </dev/null'
_PATH = "export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def ask(connection: SshConnection, script: str, *, timeout: float = 90.0) -> Result:
    """Run a script as whoever logs in; `timeout` in seconds.

    Raises:
        TowlineError: When the host cannot be reached, or does not end in time.
    """
    return connection.run(["sh", "-c", _WHOLE], stdin=script.encode(), timeout=timeout)


def act(connection: SshConnection, script: str, *, rights: str, timeout: float = 1800.0) -> Result:
    """Run a script as root; it stops at the first command that fails.

    Args:
        connection: The connection.
        script: Lines for `sh`.
        rights: `root` or `sudo`; see `Facts.rights`.
        timeout: Seconds; packages may come over a slow line.

    Raises:
        TowlineError: When the host cannot be reached, or does not end in time.
    """
    prefix = ["sudo", "-n"] if rights == "sudo" else []
    text = f"set -eu\numask 022\n{_PATH}\n{script}\n"
    return connection.run([*prefix, "sh", "-c", _WHOLE], stdin=text.encode(), timeout=timeout)


def as_user(user: str, script: str) -> str:
    """A line that runs a script as another user.

    In a folder that somebody else may write, root would follow the links that they put there.
    """
    home = f'HOME="$(getent passwd {user} | cut -d: -f6)"'
    return f"{home} runuser -u {user} -- sh -c {shlex.quote(script)}"


def write_file(path: str, text: str, mode: str) -> list[str]:
    """Lines that write a file, so that a reader sees the old content or the new one."""
    encoded = base64.b64encode(text.encode()).decode()
    quoted = shlex.quote(path)
    return [
        f"printf %s {encoded} | base64 -d >{quoted}.towline",
        f"chmod {mode} {quoted}.towline",
        f"mv {quoted}.towline {quoted}",
    ]
