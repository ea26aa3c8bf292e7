"""Read folders of a host: to bring them to another one, or to tell what differs."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from towline.hosts.base import Files, Folder


def digest(data: bytes) -> str:
    """What records keep of a content."""
    return hashlib.sha256(data).hexdigest()


def read_tree(files: Files, path: Path) -> dict[Path, bytes]:
    """The content of a file, or of all files in a folder and below; empty when nothing is there."""
    if not files.is_dir(path):
        return {path: files.read(path)} if files.exists(path) else {}
    found: dict[Path, bytes] = {}
    for name in files.names(path):
        found |= read_tree(files, path / name)
    return found


def walk(folder: Folder, path: Path) -> Iterator[Path]:
    """Regular files at or below a path; links and all else are passed by."""
    entry = folder.entry(path)
    if entry and entry.kind == "file":
        yield path
    elif entry and entry.kind == "folder":
        for name in folder.names(path):
            yield from walk(folder, path / name)
