"""What a host has for containers, and what is to be said of that.

`inv pre-deploy-check` and `inv provision.check` ask in their own ways; what they judge, and the
words that they find for it, is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from towline.config.units import format_size
from towline.findings import Finding, Severity

_ENGINE, _COMPOSE = (20, 10), (2, 20)


@dataclass(frozen=True)
class Space:
    """Free bytes for something, and the folder where it lives; empty where nobody asked."""

    what: str
    free: int
    folder: str = ""


@dataclass(frozen=True)
class Capacity:
    """What a host has for containers.

    Attributes:
        engine: Version of the engine; empty when none answers.
        compose: Version of Compose; empty when it is not installed.
        spaces: Free space where images and state live.
    """

    engine: str = ""
    compose: str = ""
    spaces: Sequence[Space] = ()


def judge_versions(found: Capacity, install: str) -> Iterator[Finding]:
    """Whether engine and Compose are new enough.

    Args:
        found: What the host has; an engine that does not answer is no matter of its version.
        install: How to install what is missing.
    """
    if found.engine:
        yield _version("engine", "Docker engine", found.engine, _ENGINE)
    if found.compose:
        yield _version("compose", "Compose", found.compose, _COMPOSE)
    else:
        yield Finding("compose", Severity.ERROR, "Compose version 2 is not installed", install)


def judge_space(found: Capacity, wanted: int) -> Iterator[Finding]:
    """Whether there are `wanted` bytes for each of images and state."""
    for item in found.spaces:
        where = f" in {item.folder}" if item.folder else ""
        message = f"{format_size(item.free)} free for {item.what}{where}"
        if item.free >= wanted:
            yield Finding("disk", Severity.OK, message)
            continue
        yield Finding(
            "disk",
            Severity.ERROR,
            f"{message}, {format_size(wanted)} wanted",
            "free some (`docker system df` shows what images take), or lower checks.disk_free",
        )


def _version(check: str, what: str, text: str, least: tuple[int, int]) -> Finding:
    match = re.match(r"v?(\d+)\.(\d+)", text)
    wanted = ".".join(map(str, least))
    if match and (int(match[1]), int(match[2])) >= least:
        return Finding(check, Severity.OK, f"{what} {text}")
    return Finding(check, Severity.ERROR, f"{what} {text} is older than {wanted}", "update it")
