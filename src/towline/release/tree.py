"""What a tree of files holds: a record of each file, made fast."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from towline.errors import UsageError

MANIFEST_FILE = "release.json"
STAGING_PREFIX = ".promoting-"
_CACHES = frozenset({"__pycache__", ".pytest_cache", ".git"})
# Keys and secrets belong to the host: they are in no commit, so they can be in no manifest.
_HOST_FOLDERS = ("security/ssl", "security/secrets")

Mode = Literal["0644", "0755", "link"]


class FileRecord(BaseModel):
    """One file of a tree.

    Only the executable bit of the mode is kept, as in Git: the rest depends on the umask of
    whoever checked the tree out.

    Attributes:
        sha256: Digest of the content; of the target's path for a symbolic link.
        mode: `0644`, `0755` or `link`.
        target: Where a symbolic link points; empty for a file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    mode: Mode
    target: str = ""


def scan(tree: Path) -> dict[str, FileRecord]:
    """Records of a deploy tree's files by their path in it, with `/`, sorted.

    Left out are the manifest itself, caches, what a promotion is staging, and what belongs to a
    host and not to a release: `.env` files (not `.env.*example`), `security/ssl/*` and
    `security/secrets/*`. A tree that does not exist holds nothing.

    Raises:
        UsageError: When a file cannot be read, has a name that is not UTF-8, or is neither a
            file nor a symbolic link.
    """
    return {path: record(tree / path) for path in sorted(walk(tree))}


def walk(tree: Path) -> Iterator[str]:
    """Paths of all files of a deploy tree that count; see `scan`.

    Raises:
        UsageError: When a folder cannot be read.
    """
    return (path for path in walk_all(tree) if counts(path))


def walk_all(tree: Path, below: str = "") -> Iterator[str]:
    """Paths of all files and symbolic links, caches and staging folders left out.

    Args:
        tree: The folder that the paths are relative to.
        below: Path in it to start from, when not at the top.

    Raises:
        UsageError: When a folder cannot be read.
    """
    try:
        entries = list(os.scandir(tree / below))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{tree / below} cannot be read: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith(STAGING_PREFIX):
            continue
        path = f"{below}/{entry.name}" if below else entry.name
        if not entry.is_dir(follow_symlinks=False):
            yield path
        elif entry.name not in _CACHES:
            yield from walk_all(tree, path)


def counts(path: str) -> bool:
    """Whether a path in a deploy tree is part of the release, rather than of a host."""
    folder, _, name = path.rpartition("/")
    if path == MANIFEST_FILE or within(path, _HOST_FOLDERS):
        return False
    if not _CACHES.isdisjoint(folder.split("/")):
        return False
    return name != ".env" and (not name.startswith(".env.") or name.endswith("example"))


def record(path: Path) -> FileRecord:
    """Record one file or symbolic link.

    Raises:
        UsageError: When it cannot be read, has a name that is not UTF-8, or is something else.
    """
    try:
        os.fspath(path).encode()
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return link_record(os.readlink(path))  # noqa: PTH115 - Path would tidy the target up
        if not stat.S_ISREG(mode):
            raise UsageError(
                f"{path} is neither a file nor a symbolic link", remedy="remove it from the tree"
            )
        with path.open("rb", buffering=0) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except UnicodeEncodeError:
        raise UsageError(
            f"the name of {os.fspath(path)!a} is not UTF-8", remedy="rename the file"
        ) from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", remedy="mend its permissions"
        ) from None
    # Built without validation: ten thousand of these are made in a run.
    return FileRecord.model_construct(sha256=digest, mode=file_mode(mode))


def link_record(target: str) -> FileRecord:
    """Record of a symbolic link to `target`."""
    digest = hashlib.sha256(os.fsencode(target)).hexdigest()
    return FileRecord(sha256=digest, mode="link", target=target)


def bytes_record(data: bytes, mode: Mode) -> FileRecord:
    """Record of a file with this content."""
    return FileRecord(sha256=hashlib.sha256(data).hexdigest(), mode=mode)


def file_mode(mode: int) -> Mode:
    """The part of a file's mode that a release keeps."""
    return "0755" if mode & stat.S_IXUSR else "0644"


def within(path: str, folders: tuple[str, ...]) -> bool:
    """Whether a path is one of these paths or lies below one of them."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
