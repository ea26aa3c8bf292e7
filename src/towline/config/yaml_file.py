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
        wrong = _mistake(node, set(), ())
        data = loader.construct_document(node) if node and not wrong else None
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
    if wrong:
        line, text, remedy = wrong
        raise UsageError(f"{path}:{line}: {text}", remedy=remedy)
    return data


def _mistake(
    node: yaml.Node | None, seen: set[int], around: tuple[int, ...]
) -> tuple[int, str, str] | None:
    """The first thing that YAML allows and configuration does not: its line, and what it is."""
    if id(node) in around:
        line = node.start_mark.line + 1 if node else 1
        return line, "an alias (`*`) contains itself", "write out what it stands for"
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return None
    seen.add(id(node))
    values = node.value
    if isinstance(node, yaml.MappingNode):
        values = [value for _, value in node.value]
        twice = _written_twice(node)
        if twice:
            return twice
    found = (_mistake(value, seen, (*around, id(node))) for value in values)
    return next(filter(None, found), None)


def _written_twice(node: yaml.MappingNode) -> tuple[int, str, str] | None:
    """The first key that a section has twice; what an alias brings may be overridden."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            line = key.start_mark.line + 1
            if key.value in lines:
                text = f"`{key.value}` is written twice, first on line {lines[key.value]}"
                return line, text, "make one of both: only the last would count"
            lines[key.value] = line
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
