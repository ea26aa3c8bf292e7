"""Which version a heading of a changelog announces, in the forms that are about.

Keep a Changelog (`[1.2.0] - 2024-01-01`), conventional-changelog (`[1.2.0](address) (2024-01-01)`),
and plain ones (`v1.2.0`, `Version 1.2`, `shop 1.2.0 (2024-01-01)`, `1.2.0rc1`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from towline.changelog.text import Heading

UNRELEASED = ""
# Longer headings announce no version; it bounds the work on hostile ones.
_LONGEST = 300
_UNRELEASED = re.compile(r"\[?unreleased(?![\w-])", re.IGNORECASE)
_VERSION = (
    r"v?(?P<numbers>\d+(?:\.\d+){1,3})"
    r"(?:-(?P<pre>[0-9A-Za-z.-]*[0-9A-Za-z-])|[.-]?(?P<short>(?:a|alpha|b|beta|rc|dev)\.?\d+))?"
    r"(?:\+(?P<build>[0-9A-Za-z.-]*[0-9A-Za-z-]))?"
    r"(?=$|[]\s:,;)(*~`/\u2013\u2014]|\.(?:\s|$))"
)
_MARKUP = r"(?:<[^<>]*>)*[\[(*~`]*"
_HEADING = re.compile(
    rf"{_MARKUP}(?:(?:version|release)[ \t]+)?(?P<part>[^\s\[\]()]*?[-@/_])?{_VERSION}(?P<rest>.*)",
    re.IGNORECASE | re.ASCII,
)
_NAMED = re.compile(
    rf"{_MARKUP}[^\W\d][\w.@/-]*[ \t]+\[?{_VERSION}(?P<rest>.*)", re.IGNORECASE | re.ASCII
)
# What may follow a version where prose could stand as well: its link, a date, a remark in brackets.
_PLAIN_REST = re.compile(
    r"[]*~`:]*(?:\([^()]*\))?(?:\s*[-\u2013\u2014(/,[:]?\s*\d{4}|\s*[-\u2013\u2014([]|\s*$)"
)
_DEEPEST = 3
# Versions are compared at every step; more than a long history has.
_MANY = 1 << 15


def version_in(heading: Heading) -> str | None:
    """The version that a heading announces; `UNRELEASED`, or None for any other heading.

    A heading of the third level, or one that starts with a name, must hold little else, because
    `### 2.0 migration guide` belongs to the section above it.
    """
    text = heading.text
    if heading.level > _DEEPEST or len(text) > _LONGEST:
        return None
    if _UNRELEASED.match(text):
        return UNRELEASED
    found = _HEADING.match(text)
    strict = found is None or heading.level == _DEEPEST or found["part"]
    found = found or _NAMED.match(text)
    if found is None or (strict and not _PLAIN_REST.match(found["rest"])):
        return None
    return _written(found)


@lru_cache(_MANY)
def identity(version: str) -> tuple[object, ...]:
    """What tells versions apart: `1.2` and `1.2.0` are one, build metadata counts."""
    core, _, build = version.removeprefix("v").partition("+")
    numbers, _, prerelease = core.partition("-")
    return (*_numbers(numbers), prerelease, build)


@lru_cache(_MANY)
def order(version: str) -> tuple[object, ...]:
    """A key that sorts as precedence does (semver.org, rule 11), for looser versions too."""
    numbers, _, prerelease = version.removeprefix("v").partition("+")[0].partition("-")
    if not prerelease:
        return (_numbers(numbers), (1, ()))
    words = tuple(
        (0, int(word), "") if word.isdigit() else (1, 0, word) for word in prerelease.split(".")
    )
    return (_numbers(numbers), (0, words))


def _numbers(text: str) -> tuple[int, ...]:
    numbers = [int(word) for word in text.split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _written(found: re.Match[str]) -> str:
    text = found["numbers"]
    if found["pre"]:
        text += f"-{found['pre']}"
    elif found["short"]:
        # As pip writes it: 1.0.0rc1.
        label, number, _ = re.split(r"\.?(\d+)", found["short"].lower())
        text += f"-{label}.{number}"
    return text + (f"+{found['build']}" if found["build"] else "")
