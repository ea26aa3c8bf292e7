"""A folder of this machine in which no symbolic link is followed (openat and O_NOFOLLOW)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from typing_extensions import override

from towline.hosts.base import Entry, Folder
from towline.hosts.local_made import give, make_folder
from towline.hosts.refused import not_a_file, not_followed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Nobody waits for the other end of a named pipe.
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalFolder(Folder):
    """A folder of this machine; each folder on the way is opened from the one before it."""

    def __init__(self, root: Path, owner: int | None = None) -> None:
        self._root = root
        self._owner = owner

    @property
    @override
    def root(self) -> Path:
        return self._root

    @override
    def entry(self, path: Path) -> Entry | None:
        try:
            with self._inside(path.parent) as folder:
                return entry_of(os.lstat(path.name or ".", dir_fd=folder))
        except (FileNotFoundError, NotADirectoryError):
            return None

    @override
    def read(self, path: Path) -> bytes:
        with self._inside(path.parent) as folder:
            handle = self._open(path, os.O_RDONLY, folder)
            with os.fdopen(handle, "rb") as file:
                return file.read()

    @override
    def names(self, path: Path) -> list[str]:
        try:
            with self._inside(path) as folder:
                return sorted(os.listdir(folder))  # noqa: PTH208 - of an open folder
        except (FileNotFoundError, NotADirectoryError):
            return []

    @override
    def overwrite(
        self, path: Path, data: bytes, mode: int = 0o644, owner: int | None = None
    ) -> None:
        with self._inside(path.parent, make=True) as folder:
            handle = self._open(path, os.O_WRONLY | os.O_CREAT, folder)
            # Not emptied first: on a full disk the old content would be gone.
            with os.fdopen(handle, "wb") as file:
                narrow(handle, mode)
                file.write(data)
                file.flush()
                file.truncate(len(data))
                if owner is None:
                    give(handle, self._owner)
                elif os.geteuid() == 0:
                    os.fchown(handle, owner, -1)
                os.fchmod(handle, mode)
                os.fsync(handle)

    @override
    def mkdir(self, path: Path) -> None:
        with self._inside(path, make=True):
            pass

    @override
    def remove(self, path: Path) -> bool:
        with suppress(FileNotFoundError), self._inside(path.parent) as folder:
            is_folder = stat.S_ISDIR(os.lstat(path.name, dir_fd=folder).st_mode)
            try:
                (os.rmdir if is_folder else os.unlink)(path.name, dir_fd=folder)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EBUSY):
                    return False
                raise
            return True
        return False

    @contextmanager
    def _inside(self, path: Path, *, make: bool = False) -> Iterator[int]:
        """An open folder."""
        if make:
            make_folder(self.root, 0o700, self._owner)
        with ExitStack() as opened:
            folder = os.open(self.root, _FOLDER)
            opened.callback(os.close, folder)
            at = self.root
            for part in path.parts:
                at /= part
                is_new = make and _is_made(part, folder)
                try:
                    folder = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                except OSError:
                    if _is_link(part, folder):
                        raise not_followed(at) from None
                    raise
                opened.callback(os.close, folder)
                if is_new:
                    give(folder, self._owner)
            yield folder

    def _open(self, path: Path, flags: int, folder: int) -> int:
        try:
            # Readable by its owner alone until it is whole.
            handle = os.open(path.name, flags | _FILE, 0o600, dir_fd=folder)
        except OSError as error:
            if _is_link(path.name, folder):
                raise not_followed(self.root / path) from None
            # A named pipe without a reader, a socket, or a folder.
            if error.errno in (errno.ENXIO, errno.EISDIR):
                raise not_a_file(self.root / path) from None
            raise
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise not_a_file(self.root / path)
        return handle


def narrow(handle: int, mode: int) -> None:
    """Take away what a file's new permissions do not give, before it gets its new content."""
    now = stat.S_IMODE(os.fstat(handle).st_mode)
    if now & ~mode:
        os.fchmod(handle, now & mode)


def entry_of(found: os.stat_result) -> Entry:
    """An entry from what `lstat` says."""
    mode, owner = stat.S_IMODE(found.st_mode), found.st_uid
    if stat.S_ISREG(found.st_mode):
        return Entry("file", mode, owner)
    if stat.S_ISDIR(found.st_mode):
        return Entry("folder", mode, owner)
    return Entry("link" if stat.S_ISLNK(found.st_mode) else "other", mode, owner)


def _is_made(name: str, folder: int) -> bool:
    """Whether a folder was made now; False when there is one."""
    try:
        os.mkdir(name, 0o755, dir_fd=folder)
    except FileExistsError:
        return False
    return True


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode)
    except OSError:
        return False
