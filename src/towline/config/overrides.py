"""Sections that are written at the top and again inside an environment, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from towline.config.deploy_sections import Overridable

Location = tuple[str | int, ...]

SECTIONS = tuple(Overridable.model_fields)


def merge(general: Any, own: Any) -> Any:
    """One value over another: mappings are merged key by key, all else is replaced."""
    if not isinstance(general, Mapping) or not isinstance(own, Mapping):
        return own
    both = {key: merge(value, own[key]) for key, value in general.items() if key in own}
    return {**general, **own, **both}


def general_part(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of all environments."""
    return {name: data[name] for name in SECTIONS if name in data}


def replaced_everywhere(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of all environments, where each says something else, or more.

    All the rest is in force in some environment, as it is written.
    """
    environments = data.get("environments", {"local": {}})
    if not isinstance(environments, Mapping):
        return general_part(data)
    every = [own for own in environments.values() if isinstance(own, Mapping)]
    return {
        name: value
        for name, value in general_part(data).items()
        if all(name in own for own in every)
    }


def with_whole_environments(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of the project, and environments that have all that counts for them.

    Args:
        data: The file, as it is written.
    """
    rest = {key: value for key, value in data.items() if key not in SECTIONS}
    written, general = data.get("environments", {"local": {}}), general_part(data)
    if isinstance(written, Mapping):
        # What is no section stays as it is, and is told as such.
        rest["environments"] = {
            name: merge(general, own) if isinstance(own, Mapping) else own
            for name, own in written.items()
        }
    return rest


def written_at(data: Mapping[str, Any], location: Location) -> Location:
    """Where a setting of an environment is written: inside it, or at the top.

    Args:
        data: The file, as it is written.
        location: Where the setting is in `with_whole_environments`.
    """
    if location[:1] != ("environments",) or len(location) < 3:
        return location
    rest = location[2:]
    own: Any = data.get("environments", {}).get(location[1], {})
    general: Any = general_part(data)
    for part in rest:
        if part not in own:
            return rest if part in general else location
        if part not in general:
            break
        own, general = own[part], general[part]
        if not isinstance(own, Mapping) or not isinstance(general, Mapping):
            break
    return location


def in_order(after: Mapping[str, str]) -> list[str]:
    """Names of environments, each behind the one that it comes after; else as they are written.

    Raises:
        ValueError: When they go round in a circle.
    """
    found: list[str] = []

    def add(name: str, path: Sequence[str]) -> None:
        if name in path:
            raise ValueError(" → ".join([*path[path.index(name) :], name]))
        if name not in found:
            if after[name]:
                add(after[name], [*path, name])
            found.append(name)

    for name in after:
        add(name, [])
    return found
