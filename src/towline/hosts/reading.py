"""Read a folder of a host, to bring it to another one."""

from pathlib import Path

from towline.hosts.base import Files


def read_tree(files: Files, path: Path) -> dict[Path, bytes]:
    """The content of a file, or of all files in a folder and below; empty when nothing is there."""
    if not files.is_dir(path):
        return {path: files.read(path)} if files.exists(path) else {}
    found: dict[Path, bytes] = {}
    for name in files.names(path):
        found |= read_tree(files, path / name)
    return found
