"""The Compose files of a project as they are written, without Compose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from towline.config.loading import Project
from towline.config.overrides import merge

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """YAML as Compose reads it: `!reset` and `!override` are tags of its own."""


def _tagged(loader: Any, suffix: str, node: yaml.Node) -> Any:
    if suffix != "override":
        return None
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _tagged)


def variants(project: Project) -> dict[tuple[Path, ...], list[str]]:
    """Each choice of Compose files that an environment makes -> the environments that make it."""
    found: dict[tuple[Path, ...], list[str]] = {}
    for name in project.names():
        found.setdefault(project.compose_files(name), []).append(name)
    return found


def every_file(project: Project) -> list[Path]:
    """All Compose files of all environments that exist."""
    named = dict.fromkeys(file for files in variants(project) for file in files)
    return [file for file in named if file.is_file()]


def read_compose(file: Path) -> Mapping[str, Any]:
    """One file as data; empty when it is something else than a Compose file.

    Raises:
        yaml.YAMLError: When it is not YAML.
        OSError: When it cannot be read.
    """
    data = yaml.load(file.read_bytes(), Loader=_Loader)  # noqa: S506 - a safe one
    return data if isinstance(data, Mapping) else {}


def merged_services(files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The services of several files, one over the other; no variable is filled in.

    Raises:
        yaml.YAMLError: When one is not YAML.
        OSError: When one cannot be read.
    """
    found: dict[str, Any] = {}
    for file in files:
        services = read_compose(file).get("services") if file.is_file() else None
        if isinstance(services, Mapping):
            found = merge(found, services)
    # `web: nginx:1.27` is no service; Compose says so where it is deployed.
    return {name: given for name, given in found.items() if isinstance(given, dict)}
