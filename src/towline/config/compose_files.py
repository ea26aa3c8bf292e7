"""The Compose files of a project as they are written, without Compose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from towline.config.loading import Project
from towline.config.renamed import UNTIL
from towline.errors import UsageError

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """YAML as Compose reads it: `!reset` and `!override` are tags of its own."""


_RESET = object()
"""What stands under `!reset`: Compose takes it away, while nothing at all changes nothing."""


def _tagged(loader: Any, suffix: str, node: yaml.Node) -> Any:
    if suffix == "reset":
        return _RESET
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
        UsageError: When it cannot be read, or is not YAML.
    """
    found: dict[str, Any] = {}
    for document in _documents(file):
        found = _merged(file, found, document)
    return found


def merged_services(files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The services of several files, one over the other; no variable is filled in.

    Raises:
        UsageError: When one cannot be read, or is not YAML.
    """
    found: dict[str, Any] = {}
    for file in files:
        for document in _documents(file) if file.is_file() else ():
            found = _merged(file, found, _services(document))
    # `web: nginx:1.27` is no service; Compose says so where it is deployed.
    return {name: given for name, given in found.items() if isinstance(given, dict)}


def _merged(file: Path, base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _over(base, own)
    except RecursionError:
        raise UsageError(
            f"{file}: an alias (`*`) contains itself", remedy="write out what it stands for"
        ) from None


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping over another as Compose does it: key by key, and all else is replaced."""
    both = dict(base)
    for key, value in own.items():
        if value is _RESET:
            both.pop(key, None)
        elif isinstance(value, Mapping):
            # Extensions are not merged.
            below = both.get(key) if key != EXTENSION else None
            both[key] = _over(below if isinstance(below, Mapping) else {}, value)
        elif isinstance(value, list):
            both[key] = [item for item in value if item is not _RESET]
        elif value is not None or key not in both or key == EXTENSION:
            both[key] = value
    return both


def require_whole_extensions(files: Sequence[Path]) -> None:
    """Refuse an override whose `x-towline` would lose keys: Compose takes the last one whole.

    Raises:
        UsageError: With the keys that are to be repeated.
    """
    before: dict[str, tuple[Path, set[str]]] = {}
    for file, name, given in _written(files):
        if not isinstance(given, Mapping) or EXTENSION not in given:
            continue
        extension = given[EXTENSION] or {}
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


def _written(files: Sequence[Path]) -> Iterator[tuple[Path, str, Any]]:
    """Each service as often as it is written: its file, its name, and what is said of it."""
    for file in files:
        for document in _documents(file):
            for name, given in _services(document).items():
                yield file, name, given


def _services(document: Mapping[str, Any]) -> Mapping[str, Any]:
    services = document.get("services")
    return services if isinstance(services, Mapping) else {}


def _documents(file: Path) -> list[Mapping[str, Any]]:
    """What a file says: Compose takes several documents as it takes several files."""
    try:
        found = list(yaml.load_all(file.read_bytes(), Loader=_Loader))
    except (yaml.YAMLError, ValueError, OSError) as error:
        said = " ".join(str(error).split())
        what = "cannot be read" if isinstance(error, OSError) else "is not valid YAML"
        raise UsageError(f"{file}: this compose file {what}: {said}") from None
    return [item for item in found if isinstance(item, Mapping)]
