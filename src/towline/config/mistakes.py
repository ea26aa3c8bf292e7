"""What is wrong in configuration, in words: where it is written, what, and the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from towline.config.models import Settings
from towline.config.overrides import Location
from towline.config.probes import KIND
from towline.config.wording import in_words

# Where pydantic does not mean a value, but its name.
_NAME = "[key]"


def location_of(item: Any) -> Location:
    """Where one of pydantic's errors is."""
    return tuple(
        part
        for part in item["loc"]
        if part != _NAME and not (isinstance(part, str) and part.startswith(("function-", KIND)))
    )


def dotted(location: Sequence[str | int]) -> str:
    """A place as people write it: `smoke.requests[0].path`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def describe(item: Any, model: type[BaseModel], where: Location | None = None) -> str:
    """One pydantic error in words: where, what, and the nearest known key if a key is unknown.

    Args:
        item: The error.
        model: What was validated.
        where: Where it is written, when that is somewhere else.
    """
    location = location_of(item)
    if item["loc"][-1:] == (_NAME,):
        return f"`{dotted(location[:-1])}`: a name must be text: write '{location[-1]}' in quotes"
    shown = dotted(location if where is None else where)
    if item["type"] == "extra_forbidden":
        if location[0] == "environments" and len(location) == 3 and _is_of_project(location[-1]):
            return f"`{shown}` is the same in all environments: write `{location[-1]}` at the top"
        known = keys_at(model, [part for part in item["loc"][:-1] if part != _NAME])
        return f"unknown key `{shown}`{did_you_mean(str(location[-1]), known)}"
    if item["type"] == "missing":
        return f"`{shown}` is missing"
    message = in_words(item)
    return f"`{shown}`: {message}" if shown else message


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """The nearest of the known words, as the end of a sentence; empty when none is near."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


def keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys that the schema allows at a place in the file."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    for part in location:
        if isinstance(part, str) and part.startswith("function-"):
            continue
        if isinstance(part, str) and part.startswith(KIND):
            node = _of_kind(schema, node, part.removeprefix(KIND))
            continue
        node = _resolve(schema, node)
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            named = node.get("properties", {})
            node = named.get(part) or node.get("additionalProperties") or {}
    return list(_resolve(schema, node).get("properties", {}))


def _is_of_project(key: str | int) -> bool:
    return key in Settings.model_fields and key != "environments"


def _of_kind(schema: dict[str, Any], node: dict[str, Any], kind: str) -> dict[str, Any]:
    """The one of several sections whose `kind` it is."""
    options = [option for each in node.get("anyOf", []) for option in each.get("oneOf", [each])]
    for option in (*options, *node.get("oneOf", [])):
        section = _resolve(schema, option)
        if section.get("properties", {}).get("kind", {}).get("const") == kind:
            return section
    return {}


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    options = [node, *node.get("anyOf", [])]
    for option in options:
        if "$ref" in option:
            found: dict[str, Any] = schema["$defs"][option["$ref"].rsplit("/", 1)[-1]]
            return found
    return node
