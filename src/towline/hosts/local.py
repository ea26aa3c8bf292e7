"""This machine as a host."""

from __future__ import annotations

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
from typing import TYPE_CHECKING

from towline.errors import NoEngine, TowlineError, UsageError
from towline.hosts import child
from towline.hosts.base import Result
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


class LocalFiles:
    """The files of this machine.

    Attributes:
        owner: Who owns what root writes; None for root.
    """

    def __init__(self, owner: int | None = None) -> None:
        self.owner = owner

    def read(self, path: Path) -> bytes:
        """See `Files.read`."""
        try:
            return path.read_bytes()
        except NotADirectoryError as error:
            raise FileNotFoundError(errno.ENOENT, error.strerror, str(path)) from None

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """See `Files.write`."""
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

    def install(
        self,
        folder: Path,
        files: Mapping[str, tuple[bytes, int]],
        known: Mapping[str, Path],  # noqa: ARG002 - nothing travels
    ) -> int:
        """See `Files.install`."""
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

    def overwrite(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """See `Files.overwrite`."""
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

    def append(self, path: Path, data: bytes) -> None:
        """See `Files.append`."""
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

    def truncate(self, path: Path, size: int) -> None:
        """See `Files.truncate`."""
        with path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def sync_folder(self, path: Path) -> None:
        """See `Files.sync_folder`."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def create(self, path: Path, data: bytes) -> bool:
        """See `Files.create`; a hard link makes content and existence one step."""
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

    def move(self, source: Path, target: Path) -> bool:
        """See `Files.move`."""
        try:
            source.rename(target)
        except FileNotFoundError:
            return False
        return True

    def remove(self, path: Path) -> None:
        """See `Files.remove`."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def remove_known(self, folder: Path, is_ours: Callable[[str], bool]) -> list[str]:
        """See `Files.remove_known`; no link in it is followed."""
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

    def names(self, path: Path) -> list[str]:
        """See `Files.names`."""
        return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []

    def exists(self, path: Path) -> bool:
        """See `Files.exists`."""
        return path.exists()

    def age(self, path: Path) -> float:
        """See `Files.age`."""
        return time.time() - path.stat().st_mtime

    def is_dir(self, path: Path) -> bool:
        """See `Files.is_dir`."""
        return path.is_dir()

    def mkdir(self, path: Path, mode: int = 0o755) -> None:
        """See `Files.mkdir`."""
        make_folder(path, mode, self.owner)

    def folder(self, root: Path) -> LocalFolder:
        """See `Files.folder`."""
        return LocalFolder(root, self.owner)

    def chmod(self, path: Path, mode: int) -> None:
        """See `Files.chmod`."""
        path.chmod(mode)

    def chown(self, path: Path, uid: int) -> None:
        """See `Files.chown`."""
        if os.geteuid() == 0:
            os.chown(path, uid, -1)

    def free_bytes(self, path: Path) -> int:
        """See `Files.free_bytes`."""
        while not path.exists():
            path = path.parent
        return shutil.disk_usage(path).free


class LocalHost:
    """This machine."""

    name = "localhost"
    commands = 0

    def __init__(self) -> None:
        self.files = LocalFiles()

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = 600.0,
        tick: Callable[[], None] | None = None,
    ) -> Result:
        """See `Host.run`, and `child.run`: an exception ends the command, too.

        Raises:
            UsageError: When the program is not installed.
            TowlineError: When it does not end in time.
        """
        started = time.monotonic()
        try:
            done = child.run(argv, command_environment(env), timeout, tick)
        except FileNotFoundError:
            raise UsageError(
                f"{argv[0]} is not installed on {self.name}", remedy=f"install {argv[0]}"
            ) from None
        except subprocess.TimeoutExpired:
            raise TowlineError(f"{argv[0]} did not end within {timeout:.0f} s") from None
        took = time.monotonic() - started
        _LOG.debug("%s: code %d after %.2f s", shlex.join(argv), done.returncode, took)
        return Result(tuple(argv), done.returncode, done.stdout, done.stderr)

    def docker(self) -> DockerClient:
        """See `Host.docker`; the client is made once and keeps its connection."""
        return self._client

    def forget(self) -> None:
        """See `Host.forget`."""
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
        return client

    def compose_version(self) -> str:
        """See `Host.compose_version`."""
        result = self.run(["docker", "compose", "version", "--short"], timeout=20)
        return result.out.strip() if result.ok else ""

    def reach(self, port: int, address: str = "127.0.0.1") -> tuple[str, int]:
        """See `Host.reach`."""
        return address, port

    def require_reach(self) -> None:
        """See `Host.require_reach`."""

    def user_id(self) -> int:
        """See `Host.user_id`."""
        return os.getuid() if self.files.owner is None else self.files.owner

    def is_root(self) -> bool:
        """See `Host.is_root`."""
        return os.getuid() == 0

    def give_to(self, owner: int) -> None:
        """See `Host.give_to`."""
        self.files.owner = owner

    def port_free(self, address: str, port: int) -> bool:
        """See `Host.port_free`."""
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


def _reason(error: Exception) -> str:
    text = str(error)
    if "FileNotFoundError" in text or "No such file" in text:
        return "its socket does not exist"
    if "PermissionError" in text or "Permission denied" in text:
        return "permission denied on its socket (are you in the docker group?)"
    if "ConnectionRefused" in text or "Connection refused" in text:
        return "its socket refuses connections"
    return text.splitlines()[0]
