"""A folder of a host behind SSH in which no symbolic link is followed.

SFTP opens paths and not folders, so each folder on the way is looked at first. Whoever swaps one
for a link in the milliseconds between is not noticed.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from towline.hosts.base import Entry, Folder
from towline.hosts.refused import not_a_file, not_followed
from towline.hosts.sftp_open import create, give_file, give_folder, sync

if TYPE_CHECKING:
    from paramiko import SFTPClient

Client = Callable[[], AbstractContextManager["SFTPClient"]]


class SftpFolder(Folder):
    """A folder of a host behind SSH.

    It is used for one task and then dropped: a folder that was looked at is not looked at again.
    """

    def __init__(self, root: Path, client: Client, owner: int | None = None) -> None:
        self._root = root
        self._client = client
        self._owner = owner
        self._seen: set[Path] = set()

    @property
    @override
    def root(self) -> Path:
        return self._root

    @override
    def entry(self, path: Path) -> Entry | None:
        with self._client() as client:
            if not self._way(client, path.parent):
                return None
            found = _lstat(client, self.root / path)
            return None if found is None else _entry(found)

    @override
    def read(self, path: Path) -> bytes:
        found = self._file(path)
        with self._client() as client:
            if found is None:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(self.root / path))
            with client.open(str(self.root / path), "rb") as file:
                file.prefetch()
                return bytes(file.read())

    @override
    def names(self, path: Path) -> list[str]:
        with self._client() as client:
            if not self._way(client, path):
                return []
            return sorted(client.listdir(str(self.root / path)))

    @override
    def overwrite(
        self, path: Path, data: bytes, mode: int = 0o644, owner: int | None = None
    ) -> None:
        found, whole = self._file(path), str(self.root / path)
        with self._client() as client:
            self._way(client, path.parent, make=True)
            if found and found.mode & ~mode:
                client.chmod(whole, found.mode & mode)
            # Not emptied first: on a full disk the old content would be gone.
            with client.open(whole, "r+b") if found else create(client, whole) as file:
                if owner is None and not found:
                    give_file(file, self._owner)
                file.write(data)
                file.flush()
                file.truncate(len(data))
                sync(client, file)
            if owner is not None:
                with suppress(PermissionError):
                    client.chown(whole, owner, client.stat(whole).st_gid or 0)
            client.chmod(whole, mode)

    @override
    def mkdir(self, path: Path) -> None:
        with self._client() as client:
            self._way(client, path, make=True)

    @override
    def remove(self, path: Path) -> bool:
        found, whole = self.entry(path), self.root / path
        if found is None:
            return False
        with self._client() as client:
            if found.kind != "folder":
                client.remove(str(whole))
                return True
            if client.listdir(str(whole)):
                return False
            client.rmdir(str(whole))
        self._seen.discard(path)
        return True

    def _file(self, path: Path) -> Entry | None:
        found = self.entry(path)
        if found and found.kind != "file":
            whole = self.root / path
            raise not_followed(whole) if found.kind == "link" else not_a_file(whole)
        return found

    def _way(self, client: SFTPClient, path: Path, *, make: bool = False) -> bool:
        """Whether a folder is there; each one on the way is a folder and no link."""
        for folder in reversed([path, *path.parents]):
            if folder in self._seen:
                continue
            whole = self.root / folder
            is_root = folder == Path()
            # The root itself may be a link: whoever made it is the administrator.
            found = _stat(client, whole) if is_root else _lstat(client, whole)
            if found is None and make:
                _mkdir(client, whole, 0o700 if is_root else 0o755, self._owner)
            elif found is not None and stat.S_ISLNK(found.st_mode):
                raise not_followed(whole)
            elif found is None or not stat.S_ISDIR(found.st_mode):
                return False
            self._seen.add(folder)
        return True


def _mkdir(client: SFTPClient, path: Path, mode: int, owner: int | None) -> None:
    if _stat(client, path.parent) is None:
        _mkdir(client, path.parent, 0o755, owner)
    try:
        client.mkdir(str(path), mode)
    except OSError:
        # Another one may have made it at the same time.
        found = _lstat(client, path)
        if found is None or not stat.S_ISDIR(found.st_mode):
            raise
        return
    give_folder(client, str(path), owner)


def _entry(found: Any) -> Entry:
    mode, owner = stat.S_IMODE(found.st_mode), found.st_uid
    if stat.S_ISREG(found.st_mode):
        return Entry("file", mode, owner)
    if stat.S_ISDIR(found.st_mode):
        return Entry("folder", mode, owner)
    return Entry("link" if stat.S_ISLNK(found.st_mode) else "other", mode, owner)


def _lstat(client: SFTPClient, path: Path) -> Any | None:
    return _asked(client.lstat, path)


def _stat(client: SFTPClient, path: Path) -> Any | None:
    return _asked(client.stat, path)


def _asked(question: Callable[[str], Any], path: Path) -> Any | None:
    try:
        return question(str(path))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise
