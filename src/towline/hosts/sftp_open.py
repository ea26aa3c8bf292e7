"""New files over SFTP: unreadable for others, owned by who should own them, on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.errors import TowlineError

if TYPE_CHECKING:
    from paramiko import SFTPClient, SFTPFile

_OPEN, _WRITE, _CREATE, _EXCLUSIVE = 3, 0x02, 0x08, 0x20
_EXTENDED = 200
_FSYNC, _LSETSTAT = "fsync@openssh.com", "lsetstat@openssh.com"


def create(client: SFTPClient, path: str) -> SFTPFile:
    """Create a file that only its owner can read, from its first byte on.

    Paramiko's `open` names no permissions, so a new file would have those of the umask there.

    Raises:
        OSError: When there is one already.
    """
    from paramiko import SFTPAttributes, SFTPFile

    attributes = SFTPAttributes()
    attributes.st_mode = 0o600
    flags = _WRITE | _CREATE | _EXCLUSIVE
    untyped: Any = client
    answer = untyped._request(_OPEN, path.encode(), flags, attributes)[1]
    return SFTPFile(client, answer.get_binary(), "wb", -1)


def give_file(file: SFTPFile, owner: int | None) -> None:
    """Give an open file that root has made to a user."""
    if owner is not None:
        file.chown(owner, file.stat().st_gid or 0)


def give_folder(client: SFTPClient, path: str, owner: int | None) -> None:
    """Give a folder that root has made to a user; a link that took its place is not followed."""
    from paramiko import SFTPAttributes

    if owner is not None:
        attributes = SFTPAttributes()
        attributes.st_uid, attributes.st_gid = owner, client.lstat(path).st_gid or 0
        extended(client, _LSETSTAT, path, attributes)


def sync(client: SFTPClient, file: SFTPFile) -> None:
    """Wait until what was written is on the disk."""
    file.flush()
    extended(client, _FSYNC, file.handle)


def extended(client: SFTPClient, *words: Any) -> Any:
    """Send an extended request; Paramiko has no public name for it.

    Raises:
        OSError: When the server refuses; TowlineError when it does not know the request.
    """
    untyped: Any = client
    try:
        return untyped._request(_EXTENDED, *words)[1]
    except OSError as error:
        if "unsupported" in str(error).lower():
            raise TowlineError(
                f"the SFTP server does not support {words[0]!r}",
                remedy="use OpenSSH's server: Subsystem sftp internal-sftp",
            ) from None
        raise
