"""What a tree of files holds: a record of each file, made fast."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from towline.atomic import STAGING_PREFIX
from towline.errors import UsageError
from towline.promotion import copying
from towline.promotion.threads import for_each

if TYPE_CHECKING:
    from towline.promotion.digests import Digests

MANIFEST_FILE = "release.json"
_CACHES = frozenset({"__pycache__", ".pytest_cache", ".git"})
# Keys and secrets belong to the host: they are in no commit, so they can be in no manifest.
_HOST_FOLDERS = ("security/ssl", "security/secrets")

Mode = Literal["0644", "0755", "link"]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a tree.

    Only the executable bit of the mode is kept, as in Git: the rest depends on the umask of
    whoever checked the tree out.

    No pydantic model, though pydantic validates it in a manifest: tens of thousands are made and
    compared in a run.

    Attributes:
        sha256: Digest of the content; of the target's path for a symbolic link.
        mode: `0644`, `0755` or `link`.
        target: Where a symbolic link points; empty for a file.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    mode: Mode
    target: str = ""

    def data(self) -> dict[str, str]:
        """What a manifest says of it."""
        plain = {"sha256": self.sha256, "mode": self.mode}
        return {**plain, "target": self.target} if self.target else plain


def scan(tree: Path, known: Digests | None = None) -> dict[str, FileRecord]:
    """Records of a deploy tree's files by their path in it, with `/`, sorted.

    Left out are the manifest itself, caches, what a promotion is staging, and what belongs to a
    host and not to a release: `.env` files (not `.env.*example`), `security/ssl/*` and
    `security/secrets/*`. A tree that does not exist holds nothing.

    Args:
        tree: The deploy tree.
        known: Digests of files that need not be read; without them every file is read.

    Raises:
        UsageError: When a file cannot be read, has a name that is not UTF-8, or is neither a
            file nor a symbolic link.
    """
    found = {path: entry for path, entry in _entries(tree, "") if counts(path)}
    return _records(_entry_states(found), known)


def record_all(files: Mapping[str, str], known: Digests | None = None) -> dict[str, FileRecord]:
    """Records of files by the names that they are given under, in their order.

    Args:
        files: Path of the file or symbolic link for each name.
        known: Digests of files that need not be read; without them every file is read.

    Raises:
        UsageError: As `record`.
    """
    return _records(_file_states(files), known)


def walk_all(tree: Path, below: str = "") -> Iterator[str]:
    """Paths of all files and symbolic links, caches and staging folders left out.

    Args:
        tree: The folder that the paths are relative to.
        below: Path in it to start from, when not at the top.

    Raises:
        UsageError: When a folder cannot be read.
    """
    return (path for path, _ in _entries(tree, below))


def _entries(tree: Path, below: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(tree / below) as found:
            entries = list(found)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{tree / below} cannot be read: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith(STAGING_PREFIX):
            continue
        path = f"{below}/{entry.name}" if below else entry.name
        if not entry.is_dir(follow_symlinks=False):
            yield path, entry
        elif entry.name not in _CACHES:
            yield from _entries(tree, path)


def counts(path: str) -> bool:
    """Whether a path in a deploy tree is part of the release, rather than of a host."""
    folder, _, name = path.rpartition("/")
    if path == MANIFEST_FILE or path in _HOST_FOLDERS or not _folder_counts(folder):
        return False
    return name != ".env" and (not name.startswith(".env.") or name.endswith("example"))


def is_host_file(path: str) -> bool:
    """Whether a path in a deploy tree is one of the host's own files: a key, a secret, an env file.

    What only keeps a folder in Git (`.gitkeep`) is none.
    """
    folder, _, name = path.rpartition("/")
    if name in (".gitkeep", ".gitignore"):
        return False
    in_tree = _CACHES.isdisjoint(folder.split("/")) and path != MANIFEST_FILE
    return in_tree and not counts(path) and path not in _HOST_FOLDERS


def outside_tree(path: Path) -> UsageError:
    """What to say of a symbolic link that points outside the deploy tree."""
    return UsageError(
        f"{path} is a symbolic link that points outside the deploy tree, to {path.resolve()}",
        remedy="replace it by the file itself",
    )


# Ten thousand files lie in few folders.
@lru_cache(maxsize=1024)
def _folder_counts(folder: str) -> bool:
    return _CACHES.isdisjoint(folder.split("/")) and not within(folder, _HOST_FOLDERS)


def record(path: Path) -> FileRecord:
    """Record one file or symbolic link.

    Raises:
        UsageError: When it cannot be read, has a name that is not UTF-8, or is something else.
    """
    return _records(_file_states({"": os.fspath(path)}), None)[""]


# The name that a record gets, the file's path, and what lstat says of it.
_State = tuple[str, str, os.stat_result]


def _entry_states(entries: Mapping[str, os.DirEntry[str]]) -> Iterator[_State]:
    for name in sorted(entries):
        entry = entries[name]
        try:
            yield name, entry.path, entry.stat(follow_symlinks=False)
        except OSError as error:
            raise _unreadable(entry.path, error) from None


def _file_states(files: Mapping[str, str]) -> Iterator[_State]:
    for name, path in files.items():
        try:
            yield name, path, os.lstat(path)
        except OSError as error:
            raise _unreadable(path, error) from None


def _records(states: Iterable[_State], known: Digests | None) -> dict[str, FileRecord]:
    """Records in the order of `states`; what is not known is read in a few threads."""
    records: dict[str, FileRecord] = {}
    unread: list[tuple[str, str]] = []
    for name, path, state in states:
        if not path.isascii():
            _check_name(path)
        if stat.S_ISLNK(state.st_mode):
            records[name] = _link_at(path)
            continue
        if not stat.S_ISREG(state.st_mode):
            raise UsageError(
                f"{path} is neither a file nor a symbolic link", remedy="remove it from the tree"
            )
        sha256 = known.find(path, state) if known else None
        if sha256 is None:
            unread.append((name, path))
        # An unread file gets its place here and its digest below.
        records[name] = FileRecord(sha256 or "", file_mode(state.st_mode))

    def read(item: tuple[str, str]) -> None:
        name, path = item
        try:
            sha256, state = copying.digest(path)
        except OSError as error:
            raise _unreadable(path, error) from None
        records[name] = FileRecord(sha256, file_mode(state.st_mode))
        if known:
            known.learn(path, state, sha256)

    for_each(read, unread)
    return records


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the name of {path!a} is not UTF-8", remedy="rename the file") from None


def _link_at(path: str) -> FileRecord:
    try:
        # Path would tidy the target up.
        return link_record(os.readlink(path))  # noqa: PTH115
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be read: {error.strerror}", remedy="fix its permissions")


def link_record(target: str) -> FileRecord:
    """Record of a symbolic link to `target`."""
    return FileRecord(hashlib.sha256(os.fsencode(target)).hexdigest(), "link", target)


def bytes_record(data: bytes, mode: Mode) -> FileRecord:
    """Record of a file with this content."""
    return FileRecord(hashlib.sha256(data).hexdigest(), mode)


def file_mode(mode: int) -> Mode:
    """The part of a file's mode that a release keeps."""
    return "0755" if mode & stat.S_IXUSR else "0644"


def within(path: str, folders: tuple[str, ...]) -> bool:
    """Whether a path is one of these paths or lies below one of them."""
    return path in folders or path.startswith(_below(folders))


@lru_cache(maxsize=64)
def _below(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{folder}/" for folder in folders)
