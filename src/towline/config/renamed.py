"""Keys of `towline.yaml` that have another name by now; the old one works for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from towline.config.overrides import Location
from towline.errors import UsageError

UNTIL = "0.8.0"
_ITEMS = "[]"
# Section, `[]` for the items of a list -> old name -> new name.
_RENAMED: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("versions",): {"zero": "pre_1_0"},
    ("rollout",): {
        "watch": "bake_time",
        "hosts_at_once": "batch_size",
        "parallel": "concurrency",
    },
    ("smoke", "requests", _ITEMS): {"within": "timeout"},
    ("smoke", "websockets", _ITEMS): {"within": "timeout"},
}


@dataclass(frozen=True)
class Renamed:
    """An old key that somebody wrote.

    Attributes:
        section: Where it stands.
        old: As it is written.
        new: As it is called now.
    """

    section: Location
    old: str
    new: str


def with_new_names(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Renamed]]:
    """A file with today's names, and the old ones that it has.

    Raises:
        UsageError: When both names of a key are written.
    """
    found: list[Renamed] = []
    changed: Any = dict(data)
    for place in _places(data):
        for section, keys in _RENAMED.items():
            changed = _rename(changed, (*place, *section), (), keys, found)
    return changed, found


def as_written(location: Location, renamed: Sequence[Renamed]) -> Location:
    """The place of a setting, by the names that it is written with."""
    for item in renamed:
        length = len(item.section)
        if location[: length + 1] == (*item.section, item.new):
            return (*item.section, item.old, *location[length + 1 :])
    return location


def warning(item: Renamed, where: str) -> str:
    """What is said of an old key.

    Args:
        item: The key.
        where: The file, the line and the key as it is written.
    """
    return f"{where} is called `{item.new}` now; the old name works until {UNTIL}"


def _places(data: Mapping[str, Any]) -> Iterator[Location]:
    """Where sections may stand: at the top, and in environments."""
    yield ()
    environments = data.get("environments")
    if isinstance(environments, Mapping):
        yield from (("environments", name) for name in environments)


def _rename(
    node: Any, path: Location, at: Location, keys: Mapping[str, str], found: list[Renamed]
) -> Any:
    if path and path[0] == _ITEMS:
        if not isinstance(node, list):
            return node
        return [_rename(v, path[1:], (*at, i), keys, found) for i, v in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    if path:
        if path[0] not in node:
            return node
        inner = _rename(node[path[0]], path[1:], (*at, path[0]), keys, found)
        return {**node, path[0]: inner}
    for old in [key for key in node if key in keys]:
        if keys[old] in node:
            raise UsageError(
                f"`{'.'.join(map(str, (*at, old)))}` and `{keys[old]}` are two names of one key",
                remedy=f"remove `{old}`, which is the old name",
            )
        found.append(Renamed(at, old, keys[old]))
    return {keys.get(key, key): value for key, value in node.items()}
