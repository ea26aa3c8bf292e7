"""The Compose files of a retained release: one a slot, and one for what is persistent.

RELEASE/{blue,green}.json   app, worker and job services in that slot (0600)
RELEASE/kept.json           backing services and the router (0600)
"""

import json
from pathlib import Path
from typing import Any

from towline.hosts.base import Files
from towline.state.releases import Release

PERSISTENT, BUILD = "kept.json", "build.json"


def slot_name(slot: str) -> str:
    """Name of the file of one slot."""
    return f"{slot}.json"


def slot_file(release: Release, slot: str) -> Path:
    """The file of app, worker and job services in one slot."""
    return release.folder / slot_name(slot)


def persistent_file(release: Release) -> Path:
    """The file of backing services and the router."""
    return release.folder / PERSISTENT


def read_model(files: Files, path: Path) -> dict[str, Any]:
    """A rendered Compose file."""
    model: dict[str, Any] = json.loads(files.read(path))
    return model
