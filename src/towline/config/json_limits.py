"""What a JSON answer must say: a path into it, and a limit for what is there.

pool.available: ">= 1"            a number, compared
checks.database: ok               a text, a number, true, false or null: the same
items[0].state: "!= failed"       the first of a list
targets[*].health: up             every one of a list, which must not be empty
checks["db.main"]: ok             a name with dots
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_STEP = re.compile(r"""\.?(?P<name>[^.\[\]"'\s]+)|\[(?P<number>\d+|\*)\]|\["(?P<quoted>[^"]+)"\]""")
_LIMIT = re.compile(r"\s*(?P<sign><=|>=|==|!=|<|>|=)\s*(?P<value>.*?)\s*", re.S)
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_ALL = "*"
_SHOWN = 60
_LOST = object()
"""What is found where a path leads nowhere."""

Scalar = bool | int | float | str | None
Step = str | int


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path; a number is a place in a list, `*` in brackets all of its items.

    Raises:
        ValueError: When it is not a path.
    """
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise ValueError(
                f"{text!r} is no path into JSON: write names and places, such as "
                "`pool.available` or `items[0].name`"
            )
        number = found["number"]
        if number is None:
            steps.append(found["name"] or found["quoted"])
        else:
            steps.append(_Every() if number == _ALL else int(number))
        at = found.end()
    if not steps:
        raise ValueError("a path into JSON must not be empty")
    return tuple(steps)


class _Every(str):
    """All items of a list, told from a name that is `*`."""

    __slots__ = ()

    def __new__(cls) -> _Every:
        return super().__new__(cls, _ALL)


@dataclass(frozen=True)
class Limit:
    """What a value is compared with.

    Attributes:
        sign: `<`, `<=`, `>`, `>=`, `==` or `!=`.
    """

    sign: str
    value: Scalar

    def __str__(self) -> str:
        return f"{self.sign} {_shown(self.value)}" if self.sign != "==" else _shown(self.value)

    def fault(self, found: object) -> str:
        """Why a value is not within the limit; empty when it is."""
        if found is _LOST:
            return "is not there"
        if self.sign in ("==", "!="):
            value = self.value
            same = found == value and isinstance(found, bool) == isinstance(value, bool)
            return "" if same is (self.sign == "==") else f"is {_shown(found)}"
        if isinstance(found, bool) or not isinstance(found, int | float):
            return f"is {_shown(found)}, which is no number"
        return "" if _COMPARED[self.sign](found, self.value) else f"is {_shown(found)}"


def parse_limit(given: Scalar) -> Limit:
    """A limit as it is written: a sign and a value, or a value that must be there.

    Raises:
        ValueError: When something else than a number follows `<` or `>`, or nothing follows a sign.
    """
    found = _LIMIT.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        return Limit("==", given)
    sign = "==" if found["sign"] == "=" else found["sign"]
    value = _scalar(found["value"])
    if found["value"] == "":
        raise ValueError(f"{given!r} compares with nothing: write such as `{sign} 1`")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if sign not in ("==", "!=") and not is_number:
        raise ValueError(f"{given!r} compares with no number: write such as `{sign} 1`")
    return Limit(sign, value)


def json_faults(data: object, limits: Mapping[str, Scalar]) -> Iterator[str]:
    """What is wrong in a JSON answer, a line each.

    Args:
        data: The answer.
        limits: Path -> limit, as they are written and were checked.
    """
    for path, given in limits.items():
        limit = parse_limit(given)
        said = next(filter(None, map(limit.fault, _values(data, parse_path(path)))), "")
        if said:
            yield f"{path} {said}, wanted {limit}"


def _values(data: object, path: Sequence[Step]) -> list[object]:
    """Everything that a path leads to; what leads nowhere is there as `_LOST`."""
    if not path:
        return [data]
    step, *rest = path
    if isinstance(step, _Every):
        items = data if isinstance(data, list) else []
        return [value for item in items for value in _values(item, rest)] or [_LOST]
    if isinstance(step, int):
        there = isinstance(data, list) and step < len(data)
    else:
        there = isinstance(data, dict) and step in data
    return _values(data[step], rest) if there else [_LOST]  # type: ignore[index]


def _scalar(text: str) -> Scalar:
    words: Mapping[str, Scalar] = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _shown(value: object) -> str:
    """A value as JSON has it, cut where it is long."""
    from towline.config.redaction import excerpt

    if isinstance(value, dict | list):
        return f"a {'section' if isinstance(value, dict) else 'list'} of {len(value)}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return (
        excerpt(str(value), _SHOWN) if not isinstance(value, str) else repr(excerpt(value, _SHOWN))
    )


def _valid(limits: dict[str, Any]) -> dict[str, Any]:
    for path, limit in limits.items():
        parse_path(path)
        if isinstance(limit, dict | list):
            raise ValueError(  # noqa: TRY004 - as pydantic wants it
                f"{path!r} needs one value: a text, a number, true, false or null"
            )
        parse_limit(limit)
    return limits


JsonLimits = Annotated[
    dict[str, Any],
    BeforeValidator(lambda given: given, json_schema_input_type=dict[str, Scalar]),
    AfterValidator(_valid),
]
