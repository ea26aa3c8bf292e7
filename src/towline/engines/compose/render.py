"""From a resolved Compose file to the files of one release: one a slot, one for what stays.

Pure functions. App, worker and job services become a Compose project per slot; backing
services and the router stay in one project. Networks and volumes are shared by all three
under the names that the environment's own project would give them.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from towline.config.deploy_sections import Replicas
from towline.config.services import Role, count_replicas
from towline.engines.bundle import PERSISTENT, REPLACED
from towline.engines.compose.compose_file import SLOT_PLACEHOLDER, SLOT_VARIABLES, ComposeFile
from towline.engines.compose.names import SHARED, Names
from towline.engines.compose.ownership import REPOSITORY
from towline.images.registry import CONTENT, repository
from towline.routing import request_log
from towline.routing.nginx import ASK_PORT

Definition = dict[str, Any]

# In the file of what stays: whether the router is to keep a request log.
REQUEST_LOG = "x-towline-request-log"
# The log's place in the router's container; it cannot grow, and needs no disk.
LOG_ROOM = f"{request_log.FOLDER}:size={request_log.SIZE},mode=1777"


@dataclass(frozen=True)
class Target:
    """What the files are rendered for.

    Attributes:
        project: Name of the project.
        environment: Name of the environment.
        release: Identifier of the release.
        version: Its semantic version.
        commit: The git commit it was promoted from.
        images: Service -> image, pinned by digest or id.
        replicas: Containers of each app service, or of some services by name.
        here: The deploy tree's path, as it stands in the resolved file.
        tree: Where the host keeps the release's tree.
        live: Where the host keeps what backing services and the router mount.
        names: What its Compose projects, networks and volumes are called on that host.
        request_log: Whether the router keeps a request log.
    """

    project: str
    environment: str
    release: str
    version: str
    commit: str
    images: Mapping[str, str]
    replicas: Replicas
    here: Path
    tree: Path
    live: Path
    names: Names
    request_log: bool = False


def slot_model(file: ComposeFile, target: Target, slot: str) -> Definition:
    """The Compose file of one slot: app, worker and job services."""
    names = file.named(*REPLACED)
    services = {name: _replaced(file, target, slot, name) for name in names}
    model = {
        "name": target.names.slot(slot),
        "services": services,
        **_shared_parts(file, target, services),
    }
    moved: Definition = _with_slot(_moved(model, target.here, target.tree), slot)
    return moved


def persistent_model(file: ComposeFile, target: Target) -> Definition:
    """The Compose file of what stays: backing services and the router."""
    names = file.named(*PERSISTENT)
    services = {name: _persistent(file, target, name) for name in names}
    model = {
        "name": target.names.persistent,
        "services": services,
        REQUEST_LOG: target.request_log,
        **_shared_parts(file, target, services),
    }
    moved: Definition = _with_slot(_moved(model, target.here, target.live), "")
    return moved


def build_model(file: ComposeFile, target: Target, content: str) -> Definition:
    """A Compose file that only builds: no environment, so no secret can reach an image."""
    services = {}
    for name, image in file.built.items():
        build = copy.deepcopy(file.definition(name)["build"])
        build.setdefault("labels", {}).update(
            {
                "org.opencontainers.image.version": target.version,
                "org.opencontainers.image.revision": target.commit,
                CONTENT: content,
                REPOSITORY: repository(image),
            }
        )
        services[name] = {"image": image, "build": build}
    # Compose writes the project's name into the image, and each container inherits it: one that
    # somebody runs by hand must not look like one of the environment's.
    model = {"name": f"{target.names.own}-build", "services": services}
    # Build secrets are mounted while an image is built and are in none of its layers.
    used = {
        item["source"] for each in services.values() for item in each["build"].get("secrets") or []
    }
    declared = file.model.get("secrets") or {}
    secrets = {name: options for name, options in declared.items() if name in used}
    return {**model, "secrets": secrets} if secrets else model


def mounts(model: Definition, root: Path) -> dict[str, list[Path]]:
    """Service -> what it mounts from below `root`, relative to it; configs and secrets too."""
    found: dict[str, list[Path]] = {}
    for name, definition in model["services"].items():
        sources = [
            volume["source"]
            for volume in definition.get("volumes") or []
            if volume.get("type") == "bind"
        ]
        for kind in ("configs", "secrets"):
            for used in definition.get(kind) or []:
                declared = (model.get(kind) or {}).get(used.get("source")) or {}
                sources += [declared["file"]] if declared.get("file") else []
        inside = (Path(source) for source in sources)
        found[name] = [path.relative_to(root) for path in inside if path.is_relative_to(root)]
    return found


def writable(model: Definition, root: Path) -> set[Path]:
    """What services mount from below `root` and may write to, relative to it."""
    sources = (
        Path(volume["source"])
        for definition in model["services"].values()
        for volume in definition.get("volumes") or []
        if volume.get("type") == "bind" and not volume.get("read_only")
    )
    return {source.relative_to(root) for source in sources if source.is_relative_to(root)}


def has_log_room(definition: Definition) -> bool:
    """Whether a container of the router's definition has a place for the request log."""
    return LOG_ROOM in _tmpfs(definition)


def without_log_room(definition: Mapping[str, Any]) -> Definition:
    """A definition without the place for the request log, which is no reason to recreate."""
    others = [item for item in _tmpfs(definition) if item != LOG_ROOM]
    rest = {key: value for key, value in definition.items() if key != "tmpfs"}
    return {**rest, "tmpfs": others} if others else rest


def _tmpfs(definition: Mapping[str, Any]) -> list[str]:
    given = definition.get("tmpfs") or []
    return [given] if isinstance(given, str) else [*given]


def _replaced(file: ComposeFile, target: Target, slot: str, name: str) -> Definition:
    settings = file.services[name]
    definition = _common(file, target, name)
    definition.pop("container_name", None)
    definition["pull_policy"] = "never"
    definition["labels"].update(
        {
            "towline.release": target.release,
            "towline.version": target.version,
            "towline.colour": slot,
        }
    )
    environment = definition.setdefault("environment", {})
    environment.setdefault("TOWLINE_VERSION", target.version)
    environment.setdefault("TOWLINE_RELEASE", target.release)
    environment.setdefault("TOWLINE_COMMIT", target.commit)
    for variable in SLOT_VARIABLES:
        environment.setdefault(variable, slot)
    count = count_replicas(target.replicas, name, settings)
    if count is not None:
        definition.pop("scale", None)
        definition.setdefault("deploy", {})["replicas"] = count
    if settings.role is Role.APP:
        _alias(definition, f"{name}-{slot}")
        # A free loopback port each: probes and smoke tests reach a release before users do.
        if file.router and settings.port:
            definition["ports"] = [_loopback(settings.port)]
    if settings.role is Role.JOB:
        definition["restart"] = "no"
    _only_among(definition, file.named(*REPLACED))
    return definition


def _persistent(file: ComposeFile, target: Target, name: str) -> Definition:
    definition = _common(file, target, name)
    if file.services[name].role is Role.ROUTER:
        definition["ports"] = [*(definition.get("ports") or []), _loopback(ASK_PORT)]
        definition["tmpfs"] = [*_tmpfs(definition), LOG_ROOM]
    _only_among(definition, file.named(*PERSISTENT))
    return definition


def _common(file: ComposeFile, target: Target, name: str) -> Definition:
    definition = copy.deepcopy(file.definition(name))
    for key in ("build", "profiles", "x-towline"):
        definition.pop(key, None)
    if name in target.images:
        definition["image"] = target.images[name]
    definition["labels"] = {
        **(definition.get("labels") or {}),
        "towline.project": target.project,
        "towline.env": target.environment,
        "towline.role": str(file.services[name].role),
        "towline.service": name,
    }
    return definition


def _loopback(port: int) -> Definition:
    return {"mode": "ingress", "host_ip": "127.0.0.1", "target": port, "protocol": "tcp"}


def _alias(definition: Definition, alias: str) -> None:
    networks = definition.get("networks") or {"default": None}
    definition["networks"] = {
        name: {**(options or {}), "aliases": [*((options or {}).get("aliases") or []), alias]}
        for name, options in networks.items()
    }


def _only_among(definition: Definition, names: Iterable[str]) -> None:
    """Drop dependencies on services of another Compose project; Towline keeps that order."""
    known = set(names)
    wanted = definition.pop("depends_on", None) or {}
    kept = {name: options for name, options in wanted.items() if name in known}
    if kept:
        definition["depends_on"] = kept


def _shared_parts(
    file: ComposeFile, target: Target, services: Mapping[str, Definition]
) -> Definition:
    """Networks and volumes as external ones, and the configs and secrets that are used."""
    parts: Definition = {}
    networks = {
        name for definition in services.values() for name in definition.get("networks") or {}
    }
    volumes = {
        volume["source"]
        for definition in services.values()
        for volume in definition.get("volumes") or []
        if volume.get("type") == "volume" and volume.get("source")
    }
    ours: Definition = {"networks": {}, "volumes": {}}
    for kind, used in (("networks", networks), ("volumes", volumes)):
        declared = file.model.get(kind) or {}
        parts[kind] = {}
        for name in sorted(used):
            options = declared.get(name) or {}
            shared = options.get("name") or f"{target.names.own}_{name}"
            if shared == f"{target.names.own}_{name}":
                shared = target.names.resource(name)
            parts[kind][name] = {"name": shared, "external": True}
            if not options.get("external"):
                ours[kind][shared] = {k: v for k, v in options.items() if k != "name" and v}
    parts[SHARED] = {kind: found for kind, found in ours.items() if found}
    for kind in ("configs", "secrets"):
        used = {
            item["source"]
            for definition in services.values()
            for item in definition.get(kind) or []
        }
        parts[kind] = {
            name: options for name, options in (file.model.get(kind) or {}).items() if name in used
        }
    return {kind: value for kind, value in parts.items() if value}


def _moved(model: Definition, here: Path, there: Path) -> Definition:
    """The same model with every path below `here` moved below `there`."""

    def move(path: str) -> str:
        inside = Path(path)
        return str(there / inside.relative_to(here)) if inside.is_relative_to(here) else path

    for definition in model["services"].values():
        for volume in definition.get("volumes") or []:
            if volume.get("type") == "bind":
                volume["source"] = move(volume["source"])
    for kind in ("configs", "secrets"):
        model[kind] = {
            name: {**options, "file": move(options["file"])} if options.get("file") else options
            for name, options in (model.get(kind) or {}).items()
        }
    return {key: value for key, value in model.items() if value or key in ("services", REQUEST_LOG)}


def _with_slot(value: Any, slot: str) -> Any:
    if isinstance(value, str):
        return value.replace(SLOT_PLACEHOLDER, slot)
    if isinstance(value, list):
        return [_with_slot(item, slot) for item in value]
    if isinstance(value, dict):
        return {key: _with_slot(item, slot) for key, item in value.items()}
    return value
