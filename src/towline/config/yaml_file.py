"""A YAML file as data, and the line on which each of its keys stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from towline.errors import UsageError

# libyaml where PyYAML has it: configuration is read by every command.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: Path) -> Any:
    """The content of a file.

    Raises:
        UsageError: When it cannot be read, is not YAML, or has a key twice in one section.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        twice = _written_twice(node, set())
        data = loader.construct_document(node) if node and not twice else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", "") or str(error)
        raise UsageError(
            f"{path}:{line} is not valid YAML: {problem}", remedy=f"fix line {line} of {path.name}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", remedy="check its owner, mode and encoding (UTF-8)"
        ) from None
    if twice:
        first, second = (key.start_mark.line + 1 for key in twice)
        raise UsageError(
            f"{path}:{second}: `{twice[1].value}` is written twice, first on line {first}",
            remedy="make one of both: only the last would count",
        )
    return data


def _written_twice(node: yaml.Node | None, seen: set[int]) -> tuple[yaml.Node, yaml.Node] | None:
    """The first key that a section has twice, both times; a merged alias may be overridden."""
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return None
    seen.add(id(node))
    keys: dict[str, yaml.Node] = {}
    for item in node.value:
        key, value = item if isinstance(node, yaml.MappingNode) else (None, item)
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            if key.value in keys:
                return keys[key.value], key
            keys[key.value] = key
        found = _written_twice(value, seen)
        if found:
            return found
    return None


def line_of(path: Path, location: Sequence[str | int]) -> int:
    """The line of a key, or of the nearest section around it that is written.

    Args:
        path: A file that `read_yaml` has read.
        location: Keys and positions that lead to it.
    """
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    line = 1
    for part in location:
        found = _inside(node, part)
        if found is None:
            break
        key, node = found
        line = key.start_mark.line + 1
    return line


def _inside(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The key and the value at one step into a node."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return key, value
    return None
