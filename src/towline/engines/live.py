"""The stable copy of configuration files that long-lived containers mount.

A container keeps the inode it was started with, so files are written in place, and only
those that differ.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from towline.engines.render import mounts
from towline.hosts.base import Files


def read_model(files: Files, path: Path) -> dict[str, Any]:
    """A rendered Compose file."""
    model: dict[str, Any] = json.loads(files.read(path))
    return model


def sync(
    files: Files, model: dict[str, Any], services: Iterable[str], tree: Path, live: Path
) -> dict[str, list[Path]]:
    """Bring what services mount from `live` to what a release's tree holds.

    Paths that the tree does not hold (certificates, host secrets) are left as they are.

    Returns:
        Service -> the paths that changed, relative to `live`; other services are left out.
    """
    found = mounts(model, live)
    changed: dict[str, list[Path]] = {}
    for service in services:
        owner = _owner(model["services"][service])
        for path in found.get(service, []):
            touched = _sync_path(files, files, tree / path, live / path, owner)
            if touched:
                changed.setdefault(service, []).extend(item.relative_to(live) for item in touched)
    return changed


def place(
    here: Files, files: Files, source: Path, target: Path, owner: int | None = None
) -> list[Path]:
    """Copy a file or folder of this machine into the live copy; returns what changed there."""
    return _sync_path(here, files, source, target, owner)


def snapshot(files: Files, path: Path) -> dict[Path, bytes]:
    """The content of a file, or of all files in a folder."""
    if files.is_dir(path):
        found: dict[Path, bytes] = {}
        for name in files.names(path):
            found |= snapshot(files, path / name)
        return found
    return {path: files.read(path)} if files.exists(path) else {}


def _sync_path(
    origin: Files, files: Files, source: Path, target: Path, owner: int | None
) -> list[Path]:
    if origin.is_dir(source):
        files.mkdir(target)
        names = origin.names(source)
        touched = []
        for name in names:
            touched += _sync_path(origin, files, source / name, target / name, owner)
        for name in set(files.names(target)) - set(names):
            files.remove(target / name)
            touched.append(target / name)
        return touched
    if not origin.exists(source):
        return []
    data = origin.read(source)
    if files.exists(target) and files.read(target) == data:
        return []
    mode = 0o644 if source.suffix != ".pem" or b"PRIVATE KEY" not in data else 0o600
    files.overwrite(target, data, mode)
    if mode == 0o600 and owner is not None:
        files.chown(target, owner)
    return [target]


def _owner(definition: dict[str, Any]) -> int | None:
    """The numeric user a container runs as, who must be able to read its private keys."""
    user = str(definition.get("user") or "").split(":")[0]
    return int(user) if user.isdigit() else None
