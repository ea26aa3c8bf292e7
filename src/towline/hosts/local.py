"""This machine as a host."""

from __future__ import annotations

import copy
import errno
import logging
import os
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from typing_extensions import override

from towline.errors import NoEngine, TowlineError, UsageError
from towline.hosts import child
from towline.hosts.base import Files, Host, Result
from towline.hosts.engine_client import translated
from towline.hosts.local_folder import LocalFolder, narrow
from towline.hosts.local_made import give, make_folder
from towline.hosts.sdk import load_docker

if TYPE_CHECKING:
    from docker import DockerClient

_LOG = logging.getLogger(__name__)

# What a command inherits. Nothing else: a variable of somebody's shell must not change a release.
_INHERITED = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_INHERITED_PREFIXES = ("DOCKER_", "BUILDKIT_", "BUILDX_", "XDG_", "LC_")


def command_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child process: a few inherited variables and `extra`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    return {**inherited, **(extra or {})}


class LocalFiles(Files):
    """The files of this machine.

    Attributes:
        owner: Who owns what root writes; None for root.
    """

    def __init__(self, owner: int | None = None) -> None:
        self.owner = owner

    @override
    def read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except NotADirectoryError as error:
            raise FileNotFoundError(errno.ENOENT, error.strerror, str(path)) from None

    @override
    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        self.mkdir(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                give(handle, self.owner)
                os.fchmod(handle, mode)
                os.fsync(handle)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @override
    def install(
        self,
        folder: Path,
        files: Mapping[str, tuple[bytes, int]],
        known: Mapping[str, Path],
    ) -> int:
        staged = folder.with_name(f".{folder.name}")
        self.remove(staged)
        self.mkdir(folder.parent, 0o700)
        self.mkdir(staged, 0o700)
        for path, (data, mode) in files.items():
            self.write(staged / path, data, mode)
            for inner in list((staged / path).relative_to(staged).parents)[:-1]:
                # The outermost folder is closed; containers mount folders in it and read them.
                (staged / inner).chmod(0o755)
        self.move(staged, folder)
        return 0

    @override
    def overwrite(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        self.mkdir(path.parent)
        # Readable by its owner alone until it is whole.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        # Not emptied first: on a full disk the old content would be gone.
        with os.fdopen(handle, "wb") as file:
            narrow(handle, mode)
            file.write(data)
            file.flush()
            file.truncate(len(data))
            give(handle, self.owner)
            os.fchmod(handle, mode)

    @override
    def append(self, path: Path, data: bytes) -> None:
        self.mkdir(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            give(handle, self.owner)
            size = os.fstat(handle).st_size
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(handle, rest) :]
                os.fsync(handle)
            except OSError:
                # Only what is ours: someone else may have appended while this process slept.
                if data.startswith(os.pread(handle, len(data) + 1, size)):
                    os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)

    @override
    def truncate(self, path: Path, size: int) -> None:
        with path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    @override
    def sync_folder(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @override
    def create(self, path: Path, data: bytes) -> bool:
        """A hard link makes content and existence one step."""
        self.mkdir(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                give(handle, self.owner)
            Path(path).hardlink_to(temporary)
        except FileExistsError:
            return False
        finally:
            Path(temporary).unlink(missing_ok=True)
        return True

    @override
    def move(self, source: Path, target: Path) -> bool:
        try:
            source.rename(target)
        except FileNotFoundError:
            return False
        return True

    @override
    def remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    @override
    def remove_known(self, folder: Path, is_ours: Callable[[str], bool]) -> list[str]:
        """No link in it is followed."""
        left: list[str] = []
        if not folder.is_dir():
            return left
        for at, folders, names, handle in os.fwalk(folder, topdown=False):
            for name in (*folders, *names):
                path = str((Path(at) / name).relative_to(folder))
                if stat.S_ISDIR(os.lstat(name, dir_fd=handle).st_mode):
                    # One that is not empty stays.
                    with suppress(OSError):
                        os.rmdir(name, dir_fd=handle)
                elif is_ours(path):
                    os.unlink(name, dir_fd=handle)
                else:
                    left.append(path)
        with suppress(OSError):
            folder.rmdir()
        return sorted(left)

    @override
    def names(self, path: Path) -> list[str]:
        return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []

    @override
    def exists(self, path: Path) -> bool:
        return path.exists()

    @override
    def age(self, path: Path) -> float:
        return time.time() - path.stat().st_mtime

    @override
    def is_dir(self, path: Path) -> bool:
        return path.is_dir()

    @override
    def mkdir(self, path: Path, mode: int = 0o755) -> None:
        make_folder(path, mode, self.owner)

    @override
    def folder(self, root: Path) -> LocalFolder:
        return LocalFolder(root, self.owner)

    @override
    def chmod(self, path: Path, mode: int) -> None:
        path.chmod(mode)

    @override
    def chown(self, path: Path, uid: int) -> None:
        if os.geteuid() == 0:
            os.chown(path, uid, -1)

    @override
    def free_bytes(self, path: Path) -> int:
        while not path.exists():
            path = path.parent
        return shutil.disk_usage(path).free


class LocalHost(Host):
    """This machine."""

    name = "localhost"

    def __init__(self) -> None:
        self._files = LocalFiles()

    @property
    @override
    def files(self) -> LocalFiles:
        return self._files

    @override
    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = 600.0,
        check_cancelled: Callable[[], None] | None = None,
    ) -> Result:
        """An exception ends the command, too; see `child.run`."""
        started = time.monotonic()
        try:
            done = child.run(argv, command_environment(env), timeout, check_cancelled)
        except FileNotFoundError:
            raise UsageError(
                f"{argv[0]} is not installed on {self.name}", remedy=f"install {argv[0]}"
            ) from None
        except subprocess.TimeoutExpired:
            raise TowlineError(f"{argv[0]} did not end within {timeout:.0f} s") from None
        took = time.monotonic() - started
        _LOG.debug("%s: code %d after %.2f s", shlex.join(argv), done.returncode, took)
        return Result(tuple(argv), done.returncode, done.stdout, done.stderr)

    @override
    def docker(self) -> DockerClient:
        """The client is made once and keeps its connection."""
        return self._client

    @override
    def forget(self) -> None:
        self.__dict__.pop("_client", None)

    @cached_property
    def _client(self) -> DockerClient:
        docker = load_docker()
        from docker.errors import DockerException

        try:
            client: DockerClient = docker.from_env(version="auto", timeout=120)
        except DockerException as error:
            raise NoEngine(
                f"no Docker engine answers on {self.name}: {_reason(error)}",
                remedy="start it (`sudo systemctl start docker`), or install Docker Engine",
            ) from None
        return translated(client, self.name)

    @override
    def compose_version(self) -> str:
        result = self.run(["docker", "compose", "version", "--short"], timeout=20)
        return result.out.strip() if result.ok else ""

    @override
    def forward_port(self, port: int, address: str = "127.0.0.1") -> tuple[str, int]:
        return address, port

    @override
    def require_reach(self) -> None:
        pass

    @override
    def user_id(self) -> int:
        return os.getuid() if self._files.owner is None else self._files.owner

    @override
    def is_root(self) -> bool:
        return os.getuid() == 0

    @override
    def owned_by(self, owner: int) -> Self:
        other = copy.copy(self)
        other._files = LocalFiles(owner)
        return other

    @override
    def port_free(self, address: str, port: int) -> bool:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the engine does: a port whose last connections linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except PermissionError:
                return True  # the engine may, even if this user may not
            except OSError:
                return False
        return True


_REASONS: dict[type[BaseException], str] = {
    FileNotFoundError: "its socket does not exist",
    PermissionError: "permission denied on its socket (are you in the docker group?)",
    ConnectionRefusedError: "its socket refuses connections",
}


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    # The SDK wraps what its HTTP library wraps.
    while cause is not None:
        if type(cause) in _REASONS:
            return _REASONS[type(cause)]
        cause = cause.__cause__ or cause.__context__
    return str(error).splitlines()[0]
