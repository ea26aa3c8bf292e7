"""Containers whose mounts show a folder that is no more: its path may be there again, as another.

A bind mount holds the folder that was at the path when the container started. When the state
folder was deleted and restored from a backup, what is written at the path reaches nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.engines.observed import Container
from towline.errors import EngineRefused

if TYPE_CHECKING:
    from docker import APIClient

_AT_ONCE = 4
_TABLE = "/proc/self/mountinfo"
# What the kernel appends to the path of what was deleted (d_path in fs/d_path.c).
_DELETED = "//deleted"
# What an engine answers about a container that is gone, or stopped.
_NOT_RUNNING = (404, 409)
# Fields of a line of that table: the path in its file system, and where it is mounted.
_ROOT, _TARGET = 3, 4


def detached(api: APIClient, containers: Iterable[Container], root: Path) -> list[Container]:
    """Of running containers, those that mount something below `root` which was deleted."""
    running = [item for item in containers if item.running]
    # At the same time: an engine takes long to start even the smallest command.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda item: _is_detached(api, item, root), running))
    return [item for item, is_detached in zip(running, found, strict=True) if is_detached]


def _is_detached(api: APIClient, container: Container, root: Path) -> bool:
    try:
        found: dict[str, Any] = api.inspect_container(container.id)
        targets = {
            mount["Destination"]
            for mount in found.get("Mounts") or []
            if Path(mount.get("Source") or "/").is_relative_to(root)
        }
        return bool(targets) and bool(targets & _deleted(api, container))
    except EngineRefused as error:
        if error.status not in _NOT_RUNNING:
            raise
        # It stopped meanwhile; then it is mounted anew when it starts.
        return False


def _deleted(api: APIClient, container: Container) -> set[str]:
    """Where a container mounts something deleted; nothing where it has no `cat` to tell."""
    created = api.exec_create(container.id, ["cat", _TABLE])
    output: bytes = api.exec_start(created["Id"])
    rows = (line.split() for line in output.decode("utf-8", "replace").splitlines())
    return {row[_TARGET] for row in rows if len(row) > _TARGET and row[_ROOT].endswith(_DELETED)}
