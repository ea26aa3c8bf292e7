"""Which state folder an environment has on a host, kept where every user of the engine sees it.

Users of one host have different home folders, and so different default places for state; the
engine is what they share. An empty volume carries the folder's path as a label: creating a volume
that exists changes nothing and says what it has, so of two who come first at once both learn whose
folder counts. Environments of before have no such volume; their containers were created from
files in the state folder, which Compose notes in labels of its own.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from towline.errors import NoSuchObject
from towline.hosts.base import Host

if TYPE_CHECKING:
    from docker import APIClient

_LABEL = "towline.state"
_WORKING = "com.docker.compose.project.working_dir"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")


def registered(host: Host, project: str, environment: str) -> Path | None:
    """The state folder of an environment; None when nothing of it is on the host."""
    api = host.docker().api
    return _labelled(api, project, environment) or _of_containers(api, project, environment)


def register(host: Host, project: str, environment: str, root: Path) -> Path:
    """Note the state folder unless another one is noted; returns the one that counts."""
    # Without the label of the environment: it is none of its data.
    labels = {"towline.project": project, "towline.state-of": environment, _LABEL: str(root)}
    api = host.docker().api
    api.create_volume(_volume(project, environment), labels=labels)
    return _labelled(api, project, environment) or root


def forget(host: Host, project: str, environment: str) -> None:
    """Take the note away: the folder is gone, or nothing of the environment is left."""
    api = host.docker().api
    # A volume of that name without our label is somebody else's, with who knows what in it.
    if _labelled(api, project, environment):
        with suppress(NoSuchObject):
            api.remove_volume(_volume(project, environment))


def _volume(project: str, environment: str) -> str:
    """A name that no other environment has: neither part can hold a dot."""
    if not _NAME.fullmatch(environment):
        environment = f".{hashlib.sha256(environment.encode()).hexdigest()[:12]}"
    return f"towline.{project}.{environment}"


def _labelled(api: APIClient, project: str, environment: str) -> Path | None:
    try:
        found = api.inspect_volume(_volume(project, environment))
    except NoSuchObject:
        return None
    folder = (found.get("Labels") or {}).get(_LABEL)
    return Path(folder) if folder else None


def _of_containers(api: APIClient, project: str, environment: str) -> Path | None:
    filters = {"label": [f"towline.project={project}", f"towline.env={environment}"]}
    for item in api.containers(all=True, filters=filters):
        folder = Path((item.get("Labels") or {}).get(_WORKING, ""))
        if folder.parent.name == "releases":
            return folder.parent.parent
    return None
