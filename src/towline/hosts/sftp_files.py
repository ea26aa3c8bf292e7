"""The files of a host over SFTP, with the extensions of OpenSSH's server (its PROTOCOL file)."""

from __future__ import annotations

import copy
import errno
import secrets
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from towline.errors import TowlineError
from towline.hosts.base import Files
from towline.hosts.connection import SshConnection
from towline.hosts.full_disk import NotWritten
from towline.hosts.install import install
from towline.hosts.sftp_folder import SftpFolder
from towline.hosts.sftp_open import create, extended, give_file, give_folder, sync

if TYPE_CHECKING:
    from paramiko import SFTPClient, SFTPFile

_HARDLINK, _STATVFS = "hardlink@openssh.com", "statvfs@openssh.com"

# How long an answer about the time is trusted; this machine may sleep meanwhile.
_CLOCK_SECONDS = 10.0


class SftpFiles(Files):
    """The files of a host behind SSH.

    Attributes:
        owner: Who owns what root writes there; None for whoever logs in.
    """

    owner: int | None = None

    def __init__(self, connection: SshConnection) -> None:
        self._connection = connection
        # Paramiko's client gives an answer to whichever thread reads next: one at a time.
        self._turn = threading.RLock()
        # When the host was asked for the time, and what it said.
        self._clock = (-_CLOCK_SECONDS, 0)

    def owned_by(self, owner: int) -> SftpFiles:
        """The same files, where what root writes belongs to another user."""
        # They share the channel, and so whose turn it is.
        other = copy.copy(self)
        other.owner = owner
        return other

    @override
    def read(self, path: Path) -> bytes:
        with self._client() as client, client.open(str(path), "rb") as file:
            file.prefetch()
            return bytes(file.read())

    @override
    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        with self._client() as client:
            temporary = self._written(client, path, data, mode)
            try:
                client.posix_rename(temporary, str(path))
            except BaseException:
                _forget(client, temporary)
                raise

    @override
    def install(
        self,
        folder: Path,
        files: Mapping[str, tuple[bytes, int]],
        known: Mapping[str, Path],
    ) -> int:
        return install(self._connection, folder, files, known, self.owner)

    @override
    def overwrite(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        with self._client() as client:
            # Not emptied first: on a full disk the old content would be gone.
            there = self._lstat(client, path)
            if there is not None and there & 0o777 & ~mode:
                client.chmod(str(path), there & mode)
            with (
                self._created(client, path)
                if there is None
                else self._opened(client, path, "r+b") as file
            ):
                file.write(data)
                file.flush()
                file.truncate(len(data))
                sync(client, file)
            client.chmod(str(path), mode)

    @override
    def append(self, path: Path, data: bytes) -> None:
        with self._client() as client:
            if self._lstat(client, path) is None:
                with suppress(OSError):
                    self._created(client, path).close()
            with self._opened(client, path, "a+b") as file:
                size = file.stat().st_size or 0
                try:
                    file.write(data)
                    sync(client, file)
                except OSError:
                    _take_back(client, path, size, data)
                    raise

    @override
    def truncate(self, path: Path, size: int) -> None:
        with self._client() as client, client.open(str(path), "r+b") as file:
            file.truncate(size)
            sync(client, file)

    @override
    def sync_folder(self, path: Path) -> None:
        """OpenSSH's server opens a folder like a file."""
        with self._client() as client, client.open(str(path), "r") as folder:
            sync(client, folder)

    @override
    def create(self, path: Path, data: bytes) -> bool:
        """A hard link makes content and existence one step."""
        with self._client() as client:
            temporary = self._written(client, path, data, 0o600)
            try:
                extended(client, _HARDLINK, temporary, str(path))
            except OSError:
                if self._lstat(client, path):
                    return False
                raise
            finally:
                _forget(client, temporary)
        return True

    @override
    def move(self, source: Path, target: Path) -> bool:
        with self._client() as client:
            try:
                client.posix_rename(str(source), str(target))
            except FileNotFoundError:
                return False
        return True

    @override
    def remove(self, path: Path) -> None:
        with self._client() as client:
            found = self._lstat(client, path)
            if found is None:
                return
            if stat.S_ISDIR(found):
                _remove_tree(client, str(path))
            else:
                client.remove(str(path))

    @override
    def remove_known(self, folder: Path, is_ours: Callable[[str], bool]) -> list[str]:
        with self._client() as client:
            if self._lstat(client, folder) is None:
                return []
            return sorted(_remove_known(client, str(folder), "", is_ours))

    @override
    def names(self, path: Path) -> list[str]:
        with self._client() as client:
            try:
                return sorted(client.listdir(str(path)))
            except OSError as error:
                if error.errno == errno.ENOENT or not self._is_dir(client, path):
                    return []
                raise

    @override
    def exists(self, path: Path) -> bool:
        with self._client() as client:
            return _mode(client.stat, path) is not None

    @override
    def age(self, path: Path) -> float:
        # First the clock: what is written meanwhile must not look old.
        now = self._now()
        with self._client() as client:
            written = client.stat(str(path)).st_mtime
        return now - (written or 0)

    @override
    def is_dir(self, path: Path) -> bool:
        with self._client() as client:
            return self._is_dir(client, path)

    @override
    def mkdir(self, path: Path, mode: int = 0o755) -> None:
        with self._client() as client:
            self._make(client, path, mode)

    @override
    def folder(self, root: Path) -> SftpFolder:
        return SftpFolder(root, self._client, self.owner)

    @override
    def chmod(self, path: Path, mode: int) -> None:
        with self._client() as client:
            client.chmod(str(path), mode)

    @override
    def chown(self, path: Path, uid: int) -> None:
        with self._client() as client:
            found = client.stat(str(path))
            try:
                client.chown(str(path), uid, found.st_gid or 0)
            except PermissionError:
                return

    @override
    def free_bytes(self, path: Path) -> int:
        with self._client() as client:
            while _mode(client.stat, path) is None:
                path = path.parent
            answer = extended(client, _STATVFS, str(path))
            # bsize, frsize, blocks, bfree, bavail, …: eleven numbers of 64 bits.
            numbers = struct.unpack(">5Q", answer.get_bytes(40))
            return int(numbers[1] * numbers[4])

    @contextmanager
    def _client(self) -> Iterator[SFTPClient]:
        """The channel; a lost connection becomes an error with a remedy."""
        from paramiko import SSHException

        try:
            with self._turn:
                yield self._connection.sftp()
        except (EOFError, SSHException, ConnectionError, TimeoutError) as error:
            raise self._connection.lost(error) from None
        except OSError as error:
            if str(error) == "Socket is closed":
                raise self._connection.lost(error) from None
            if str(error) == "Failure":
                # All that the protocol says of a full disk, and of a few things more.
                where = self._connection.address.short
                raise NotWritten(f"{where} does not write a file: is its disk full?") from None
            raise

    def _written(self, client: SFTPClient, path: Path, data: bytes, mode: int) -> str:
        """A new file beside a path, on the disk."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with self._created(client, temporary) as file:
                file.write(data)
                file.chmod(mode)
                sync(client, file)
        except BaseException:
            _forget(client, str(temporary))
            raise
        return str(temporary)

    def _created(self, client: SFTPClient, path: Path) -> SFTPFile:
        """A new file that only its owner can read."""
        try:
            file = create(client, str(path))
        except FileNotFoundError:
            self._make(client, path.parent, 0o755)
            file = create(client, str(path))
        give_file(file, self.owner)
        return file

    def _opened(self, client: SFTPClient, path: Path, mode: str) -> SFTPFile:
        try:
            file = client.open(str(path), mode)
        except FileNotFoundError:
            self._make(client, path.parent, 0o755)
            file = client.open(str(path), mode)
        # Never pipelined: Paramiko then drops the answers, and with them that the disk is full.
        return file

    def _now(self) -> float:
        asked, there = self._clock
        if time.monotonic() - asked > _CLOCK_SECONDS:
            said = self._connection.run(["date", "+%s"], plain=True)
            if not said.out.strip().isdigit():
                where = self._connection.address.short
                raise TowlineError(
                    f"{where} does not say what time it is: {(said.err or said.out).strip()!r}",
                    remedy=f"see `{self._connection.login('date', '+%s')}`",
                )
            # Afterwards: rather too early than too late.
            asked, there = time.monotonic(), int(said.out)
            self._clock = asked, there
        return there + time.monotonic() - asked

    def _make(self, client: SFTPClient, path: Path, mode: int) -> None:
        if _mode(client.stat, path) is not None:
            return
        self._make(client, path.parent, 0o755)
        try:
            client.mkdir(str(path), mode)
        except OSError:
            # Another one may have made it at the same time.
            if not self._is_dir(client, path):
                raise
            return
        give_folder(client, str(path), self.owner)

    def _is_dir(self, client: SFTPClient, path: Path) -> bool:
        found = _mode(client.stat, path)
        return found is not None and stat.S_ISDIR(found)

    def _lstat(self, client: SFTPClient, path: Path) -> int | None:
        return _mode(client.lstat, path)


def _mode(question: Callable[[str], Any], path: Path) -> int | None:
    try:
        return int(question(str(path)).st_mode)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def _take_back(client: SFTPClient, path: Path, size: int, data: bytes) -> None:
    """Cut off what was appended in vain, and nothing that someone else wrote meanwhile."""
    with suppress(OSError, EOFError), client.open(str(path), "rb") as file:
        file.seek(size)
        if not data.startswith(file.read(len(data) + 1)):
            return
        client.truncate(str(path), size)


def _forget(client: SFTPClient, path: str) -> None:
    try:
        client.remove(path)
    except OSError:
        return


def _remove_known(
    client: SFTPClient, path: str, inside: str, is_ours: Callable[[str], bool]
) -> list[str]:
    left = []
    for entry in client.listdir_attr(path):
        inner, name = f"{path}/{entry.filename}", f"{inside}{entry.filename}"
        if stat.S_ISDIR(entry.st_mode or 0):
            left += _remove_known(client, inner, f"{name}/", is_ours)
        elif is_ours(name):
            client.remove(inner)
        else:
            left.append(name)
    # One that is not empty stays.
    with suppress(OSError):
        client.rmdir(path)
    return left


def _remove_tree(client: SFTPClient, path: str) -> None:
    for entry in client.listdir_attr(path):
        inner = f"{path}/{entry.filename}"
        if stat.S_ISDIR(entry.st_mode or 0):
            _remove_tree(client, inner)
        else:
            client.remove(inner)
    client.rmdir(path)
