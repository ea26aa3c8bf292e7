"""Semantic versions, as people write them on the command line and in version files."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal, get_args

from semver import Version

from towline.errors import UsageError

Part = Literal["major", "minor", "patch", "prerelease"]
PARTS: tuple[Part, ...] = get_args(Part)
_SHOWN = 60
_FINAL = (1, ())


def parse(text: str) -> Version:
    """Read a semantic version (semver.org 2.0.0); a leading `v` is accepted and dropped.

    Raises:
        UsageError: When the text is anything else.
    """
    # The library's pattern takes any Unicode digit and a line end; the standard takes neither.
    if text.isascii() and text == text.strip():
        with suppress(ValueError):
            return Version.parse(text.removeprefix("v"))
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    raise UsageError(
        f"{shown!r} is not a semantic version", remedy="write MAJOR.MINOR.PATCH, such as 1.2.0"
    )


def bump(version: Version, part: str, *, label: str = "rc") -> Version:
    """The next version, by the table of node-semver's `inc`; it is always higher.

    A prerelease is finished before a number is bumped: a patch bump of 1.3.0-rc.2 is 1.3.0.
    A prerelease bump of a plain version starts the next patch's: 1.3.0 becomes 1.3.1-rc.1.

    Args:
        version: Where to start; its build metadata is dropped.
        part: One of `PARTS`.
        label: First word of a new prerelease.

    Raises:
        UsageError: When there is no such part.
    """
    if part not in PARTS:
        raise UsageError(
            f"{part!r} is not a part of a version", remedy=f"choose from: {', '.join(PARTS)}"
        )
    if part == "prerelease" and version.prerelease:
        return version.replace(prerelease=_count_up(version.prerelease), build=None)
    return version.next_version(part, prerelease_token=label)


def order_key(version: Version) -> tuple[object, ...]:
    """A key that sorts as precedence does (semver.org, rule 11), fast for many versions."""
    return precedence(version.major, version.minor, version.patch, version.prerelease)


def precedence(major: int, minor: int, patch: int, prerelease: str | None) -> tuple[object, ...]:
    """The key of a version that is given in parts; see `order_key`."""
    if not prerelease:
        return (major, minor, patch, _FINAL)
    words = prerelease.split(".")
    identifiers = tuple((0, int(word), "") if word.isdigit() else (1, 0, word) for word in words)
    return (major, minor, patch, (0, identifiers))


def _count_up(prerelease: str) -> str:
    """Bump the last number of a prerelease (`rc.1`), or start counting (`beta` to `beta.1`).

    Only a whole numeric identifier counts; `rc1` becomes `rc1.1`, because `rc10` would come
    before `rc9`.
    """
    words = prerelease.split(".")
    for index in reversed(range(len(words))):
        if words[index].isdigit():
            return ".".join([*words[:index], str(int(words[index]) + 1), *words[index + 1 :]])
    return f"{prerelease}.1"
