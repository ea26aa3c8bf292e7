"""What pydantic finds wrong, in words that people who write YAML use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS: Mapping[str, str] = {
    "missing": "it is missing",
    "extra_forbidden": "it is unknown",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_type": "must be text",
    "string_pattern_mismatch": "has not the form {pattern}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a section of `key: value`",
    "model_type": "must be a section of `key: value`",
    "model_attributes_type": "must be a section of `key: value`",
    "dataclass_type": "must be a section of `key: value`",
    "invalid_key": "a name must be text: write it in quotes",
    "too_short": "must not be empty",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be {le} or less",
}
# Elsewhere what was written could be a secret at a wrong place.
_SHOWN = ("literal_error", "enum")
_LONGEST = 40


def in_words(item: Any) -> str:
    """What is wrong with a value, without where it stands.

    Args:
        item: One of `ValidationError.errors()`.
    """
    words = _WORDS.get(item["type"])
    if words is None:
        return str(item["msg"]).removeprefix("Value error, ")
    said = words.format(**item.get("ctx", {}))
    if item["type"] not in _SHOWN:
        return said
    text = repr(item["input"])
    return f"{said}, not {text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'}"
