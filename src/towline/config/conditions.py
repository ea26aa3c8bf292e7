"""What a check demands of a figure: `< 5%`, `< 1000ms`, `< 1.2x old`, `no worse than old`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from towline.config.units import parse_duration

TOLERANCE = 0.10
"""How much worse than the old release the new one may be, relative to it, where a condition does
not say: differences that are certain and small are no reason to roll back."""

_NUMBER = r"(?P<number>\d+(?:\.\d+)?)"
_COMPARED = re.compile(rf"(?P<operator><=|>=|<|>)\s*{_NUMBER}\s*(?P<unit>\S*(?:\s+old)?)", re.I)
_NO_WORSE = re.compile(rf"no worse than old(?: by {_NUMBER}\s*%)?", re.I)
_EXAMPLES = "`< 5%`, `< 1000ms`, `>= 10/s`, `< 1.2x old` or `no worse than old by 10%`"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit for a figure.

    Attributes:
        operator: `<`, `<=`, `>` or `>=`.
        number: The limit: seconds for durations; a factor of the old release's figure when
            `is_relative`.
        unit: `s`, `%`, `/s`, `/min`, or empty.
        is_relative: Whether the old release's figure, times `number`, is the limit.
    """

    operator: str
    number: float
    unit: str = ""
    is_relative: bool = False

    def allows(self, value: float, old: float = 1.0) -> bool:
        """Whether a figure is within it; `old` is the old release's where it is relative."""
        limit = self.number * old if self.is_relative else self.number
        if self.operator == "<":
            return value < limit
        if self.operator == "<=":
            return value <= limit
        return value > limit if self.operator == ">" else value >= limit


@dataclass(frozen=True, slots=True)
class NoWorse:
    """The new release's figures are statistically no worse than the old one's.

    Attributes:
        tolerance: The share of the old figure by which it may be worse.
    """

    tolerance: float = TOLERANCE


Condition = Threshold | NoWorse


@lru_cache
def parse_condition(text: str) -> Condition:
    """What a check demands.

    Raises:
        ValueError: When the text is no condition.
    """
    given = text.strip()
    if found := _NO_WORSE.fullmatch(given):
        percent = found["number"]
        return NoWorse(TOLERANCE if percent is None else float(percent) / 100)
    found = _COMPARED.fullmatch(given)
    if found is None:
        raise ValueError(f"{text!r} is not a condition; write {_EXAMPLES}")
    operator, number = found["operator"], float(found["number"])
    unit = " ".join(found["unit"].lower().split())
    if unit == "x old":
        return Threshold(operator, number, is_relative=True)
    if unit in ("", "%", "/s", "/min"):
        return Threshold(operator, number, unit)
    try:
        return Threshold(operator, parse_duration(f"{found['number']}{unit}"), "s")
    except ValueError:
        raise ValueError(f"{text!r}: unknown unit {found['unit']!r}; write {_EXAMPLES}") from None
