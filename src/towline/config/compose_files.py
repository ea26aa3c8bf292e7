"""The Compose files of a project as they are written, without Compose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from towline.config.loading import Project
from towline.config.overrides import merge
from towline.config.renamed import UNTIL
from towline.errors import UsageError

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

EXTENSION = "x-towline"
SLOT, OLD_SLOT = "TOWLINE_SLOT", "TOWLINE_COLOUR"
"""Variable with the slot of a release, for Compose files and containers, and its old name."""


def old_names(files: Sequence[Path]) -> Iterator[str]:
    """Where Compose files use a variable by its old name, and what it is called now."""
    for file in files:
        if OLD_SLOT in file.read_text("utf-8", "replace"):
            yield f"{file}: {OLD_SLOT} is called {SLOT} now; the old name works until {UNTIL}"


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
        services = _services(file) if file.is_file() else {}
        # As Compose does: extensions are not merged.
        whole = {name: {EXTENSION: own[EXTENSION]} for name, own in services.items()
                 if isinstance(own, Mapping) and EXTENSION in own}  # fmt: skip
        found = merge(found, services)
        found |= {name: {**found[name], **own} for name, own in whole.items()}
    # `web: nginx:1.27` is no service; Compose says so where it is deployed.
    return {name: given for name, given in found.items() if isinstance(given, dict)}


def require_whole_extensions(files: Sequence[Path]) -> None:
    """Refuse an override whose `x-towline` would lose keys: Compose takes the last one whole.

    Raises:
        UsageError: With the keys that are to be repeated.
    """
    before: dict[str, tuple[Path, set[str]]] = {}
    for file in files:
        for name, given in _services(file).items():
            extension = given.get(EXTENSION) if isinstance(given, Mapping) else None
            if not isinstance(extension, Mapping):
                continue
            base, keys = before.get(name, (file, set()))
            lost = sorted(keys - extension.keys())
            if lost:
                raise UsageError(
                    f"{file}: service {name}: its x-towline replaces that of {base}, and lacks "
                    f"{', '.join(lost)}",
                    remedy="repeat them there: Compose does not merge extensions",
                )
            before[name] = (file, {*extension})


def _services(file: Path) -> Mapping[str, Any]:
    services = read_compose(file).get("services")
    return services if isinstance(services, Mapping) else {}
