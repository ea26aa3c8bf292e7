"""What Towline needs of a machine: files, commands, and its Docker engine.

Everything above this room speaks only to these protocols, so a machine behind SSH is one
more implementation and not a second code path.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Self

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one command."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether the command exited 0."""
        return self.code == 0


def in_turn(commands: Sequence[Sequence[str]]) -> list[str]:
    """One command that runs others one after another, until one fails."""
    if len(commands) == 1:
        return list(commands[0])
    return ["sh", "-c", " && ".join(shlex.join(command) for command in commands)]


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at a path, itself and not what it leads to.

    Attributes:
        kind: What it is; `other` is a socket, a device or a named pipe.
        mode: Its permissions.
        owner: The numeric user that it belongs to.
    """

    kind: Literal["file", "folder", "link", "other"]
    mode: int
    owner: int


class Folder(Protocol):
    """A folder of a host that containers may write to; paths are relative to it.

    No symbolic link in it is ever followed: a container could make Towline, as root, read, write
    or delete anything by one. What lies above `root` is the administrator's, and is followed.
    """

    @property
    def root(self) -> Path:
        """Where it is."""
        ...

    def entry(self, path: Path) -> Entry | None:
        """What lies at a path; None when there is nothing.

        Raises:
            TowlineError: When a folder on the way is a symbolic link.
        """
        ...

    def read(self, path: Path) -> bytes:
        """The content of a file; FileNotFoundError when there is none.

        Raises:
            TowlineError: When it is no regular file, or a folder on the way is a symbolic link.
        """
        ...

    def names(self, path: Path) -> list[str]:
        """Sorted names in a folder; empty when there is no such folder.

        Raises:
            TowlineError: When it is a symbolic link, or one is on the way.
        """
        ...

    def overwrite(
        self, path: Path, data: bytes, mode: int = 0o644, owner: int | None = None
    ) -> None:
        """Write into the same inode, because a container mounts it; folders are made.

        Nobody who may not read it afterwards can read it at any moment.

        Args:
            path: The file.
            data: Its new content.
            mode: Its new permissions.
            owner: The user to give it to, where permitted.

        Raises:
            TowlineError: When it is no regular file, or a folder on the way is a symbolic link.
        """
        ...

    def mkdir(self, path: Path) -> None:
        """Make a folder and its parents; an existing one is left as it is.

        Raises:
            TowlineError: When it is a symbolic link, or one is on the way.
        """
        ...

    def remove(self, path: Path) -> bool:
        """Remove a file or an empty folder; False when it is gone, or not empty.

        Raises:
            TowlineError: When a folder on the way is a symbolic link.
        """
        ...


class Files(Protocol):
    """The files of a host. Paths are absolute."""

    def folder(self, root: Path) -> Folder:
        """A folder in which no symbolic link is followed."""
        ...

    def read(self, path: Path) -> bytes:
        """The content of a file; FileNotFoundError when there is none."""
        ...

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """Write a file so that a reader sees the old content or the new one, never a part."""
        ...

    def install(
        self,
        folder: Path,
        files: Mapping[str, tuple[bytes, int]],
        known: Mapping[str, Path],
    ) -> int:
        """Write a new folder, whole or not at all.

        Args:
            folder: Where; nothing is there yet.
            files: Path in it -> content and mode.
            known: Path in it -> a file of the host, beside the folder, that should have that very
                content; it is checked, and not sent again.

        Returns:
            Bytes that travelled.
        """
        ...

    def overwrite(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """Write into the same inode, because a container mounts it."""
        ...

    def append(self, path: Path, data: bytes) -> None:
        """Append and wait until the bytes are on the disk.

        What was written of them is undone when that fails, as far as the host answers.
        """
        ...

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file to its first bytes, in place: a full disk has no room for a copy."""
        ...

    def sync_folder(self, path: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        ...

    def create(self, path: Path, data: bytes) -> bool:
        """Create a file with this content; False when it exists already."""
        ...

    def move(self, source: Path, target: Path) -> bool:
        """Rename; False when the source is gone."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file or a whole folder; nothing happens when it is missing."""
        ...

    def remove_known(self, folder: Path, is_ours: Callable[[str], bool]) -> list[str]:
        """Remove a folder but for what others put there.

        Args:
            folder: The folder.
            is_ours: Whether a path in it, as text, is one of a file that goes.

        Returns:
            Paths in it that stay, sorted.
        """
        ...

    def names(self, path: Path) -> list[str]:
        """Sorted names in a folder; empty when there is no such folder."""
        ...

    def exists(self, path: Path) -> bool:
        """Whether there is a file or folder."""
        ...

    def age(self, path: Path) -> float:
        """Seconds since a file was written, by the host's clock; FileNotFoundError without one.

        Never too much by the time that the question takes.

        Raises:
            TowlineError: When the host does not say what time it is.
        """
        ...

    def is_dir(self, path: Path) -> bool:
        """Whether there is a folder."""
        ...

    def mkdir(self, path: Path, mode: int = 0o755) -> None:
        """Make a folder and its parents; an existing one is left as it is."""
        ...

    def chmod(self, path: Path, mode: int) -> None:
        """Set the permissions of a file or folder that is there."""
        ...

    def chown(self, path: Path, uid: int) -> None:
        """Give a file to another user, where permitted; nothing happens otherwise."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Free space of the file system that holds `path` or its nearest parent."""
        ...


class Host(Protocol):
    """One machine with a Docker engine."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    @property
    def files(self) -> Files:
        """Its files."""
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = 600.0,
        check_cancelled: Callable[[], None] | None = None,
    ) -> Result:
        """Run one command to its end; a non-zero exit code is a result, not an error.

        Args:
            argv: Program and arguments.
            env: Variables.
            timeout: Seconds.
            check_cancelled: Asked again and again while a command of this machine runs; what it
                raises ends the command. On another machine a command runs to its end.

        Raises:
            UsageError: When the program is not installed.
            ConnectionLost: When the connection breaks meanwhile.
            TowlineError: When it does not end in time.
        """
        ...

    def docker(self) -> DockerClient:
        """The client of its Docker engine; TowlineError when the engine does not answer."""
        ...

    def forget(self) -> None:
        """Make the next use of the engine connect anew: it may have been restarted."""
        ...

    def forward_port(self, port: int, address: str = "127.0.0.1") -> tuple[str, int]:
        """An address here that leads to a port of the host; see `require_reach`.

        Args:
            port: The port.
            address: What the host calls it by: loopback, or the address of one of its containers.
        """
        ...

    def require_reach(self) -> None:
        """Make sure that its loopback ports can be reached from here.

        Raises:
            UsageError: When its SSH server forbids that.
        """
        ...

    def user_id(self) -> int:
        """The numeric user that owns what Towline writes there."""
        ...

    def is_root(self) -> bool:
        """Whether Towline works there as root, whoever owns what it writes."""
        ...

    def owned_by(self, owner: int) -> Self:
        """The same host, where what root writes belongs to another user."""
        ...

    def port_free(self, address: str, port: int) -> bool:
        """Whether a container could publish this TCP port on this address of the host."""
        ...

    def compose_version(self) -> str:
        """Version of Compose; empty when it is not installed."""
        ...
