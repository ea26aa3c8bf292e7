"""A folder of our own inside `.git`, and the lock that keeps it to one process.

What must survive a kill lies here, where no commit can bring it: the index that a commit is made
of, and the intention of a release.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from towline.atomic import STAGING_PREFIX
from towline.errors import Locked, UsageError
from towline.git.repository import Repository

_FOLDER = "towline"
_LOCK = "lock"
_INDEX = "index"

IndexState = tuple[int, int, int] | None


@dataclass(frozen=True)
class Private:
    """The folder, while this process holds it.

    Attributes:
        folder: `towline` in Git's own folder of this working tree.
        handle: The lock. A Git that inherits it keeps it, when we are killed and it goes on.
    """

    folder: Path
    handle: int

    @property
    def index(self) -> Path:
        """Where an index is prepared; on the file system of the real one."""
        return self.folder / _INDEX


@contextmanager
def exclusive(repository: Repository) -> Iterator[Private]:
    """Hold a repository for one release or one commit of a promotion.

    Raises:
        Locked: When another one is running.
        UsageError: When Git's folder cannot be written.
    """
    folder = repository.git_path(_FOLDER)
    try:
        folder.mkdir(exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}",
            remedy="make it writable for whoever releases; see ls -ld",
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"another release or promotion is running in {repository.root}",
                remedy="wait for it to end; of an interrupted one a Git hook may still be running",
            ) from None
        private = Private(folder, handle)
        _clean(repository, private)
        yield private
    finally:
        os.close(handle)


def refuse_locked(repository: Repository, tag: str = "") -> None:
    """Refuse to begin while Git itself is locked: half of a release would be done.

    Args:
        repository: The repository.
        tag: The tag that is to be made.

    Raises:
        UsageError: When one of Git's lock files is there.
    """
    branch = repository.branch()
    names = ["index", "HEAD"]
    names += [f"refs/heads/{branch}"] if branch else []
    names += [f"refs/tags/{tag}"] if tag else []
    for name in names:
        lock = repository.git_path(f"{name}.lock")
        if os.path.lexists(lock):
            raise locked_by_git(lock)


def locked_by_git(lock: Path) -> UsageError:
    """The error for a lock file of Git's."""
    return UsageError(
        f"{lock} exists: another Git process is running in this repository, or one was killed; "
        "nothing was changed",
        remedy=f"wait for it to end; if none is running, rm {lock}, and run this again",
    )


def copy_index(repository: Repository, private: Private) -> IndexState:
    """Copy the real index to where one is prepared, with its time: Git goes by that.

    Returns:
        Which index it was; None when there is none.
    """
    real = repository.git_path("index")
    private.index.unlink(missing_ok=True)
    state = _state(real)
    if state is not None:
        # A new file: the old one may be a second name of the real index.
        shutil.copy2(real, private.index)
    return state


def install_index(repository: Repository, private: Private, before: IndexState) -> None:
    """Make the prepared index the real one, by Git's own protocol and in one step.

    The lock file is a second name of the prepared index, so that one that a kill leaves is known
    to be ours.

    Args:
        repository: The repository.
        private: Holds the prepared index.
        before: What `copy_index` returned.

    Raises:
        UsageError: When another Git process holds the index, or changed it meanwhile.
    """
    real, lock = repository.git_path("index"), repository.git_path("index.lock")
    try:
        _lock_with(private.index, lock)
    except FileExistsError:
        raise locked_by_git(lock) from None
    try:
        if _state(real) != before:
            raise UsageError(
                f"{real} was changed by another Git process meanwhile",
                remedy="wait for it to end, and run this again",
            )
        lock.replace(real)
    finally:
        lock.unlink(missing_ok=True)
        private.index.unlink(missing_ok=True)


def _lock_with(index: Path, lock: Path) -> None:
    try:
        lock.hardlink_to(index)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has second names.
        with lock.open("xb") as file:
            file.write(index.read_bytes())


def _state(path: Path) -> IndexState:
    """What tells one index from the next: Git never writes one in place."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size


def _clean(repository: Repository, private: Private) -> None:
    """Remove what a killed run left: an `index.lock` that is the index it prepared, and files."""
    lock = repository.git_path("index.lock")
    with suppress(FileNotFoundError):
        if lock.samefile(private.index):
            lock.unlink()
    # Nobody else works here while we hold it, so that Git's locks of our own indexes are stale.
    for pattern in (f"{STAGING_PREFIX}*", "*.lock"):
        for path in private.folder.glob(pattern):
            path.unlink()
