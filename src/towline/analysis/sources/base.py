"""What a source of figures is: asked for one metric of one slot in a window of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from towline.analysis.window import Window
from towline.discovery import find_modules, module_names
from towline.engines.base import Engine
from towline.errors import Locked, TowlineError

__all__ = [
    "Sample", "Source", "SourceContext", "SourceError", "SourceKind", "Window", "as_source_error",
    "find_sources",
    "source_names",
]  # fmt: skip

_PACKAGE = "towline.analysis.sources"
_NOT_SOURCES = ("base",)


class SourceError(TowlineError):
    """A source could not be asked: that says nothing of the release."""


def as_source_error(name: str, error: Exception) -> SourceError:
    """What an engine or a host said when it was asked, as an error of a source.

    Whatever it is that a source stumbles over, it says nothing of the release.

    Raises:
        Locked: When the lock of the operation was lost: nothing goes on then.
    """
    if isinstance(error, Locked):
        raise error
    if isinstance(error, SourceError):
        return error
    if isinstance(error, TowlineError):
        return SourceError(f"{name}: {error.message}", remedy=error.remedy)
    return SourceError(f"{name}: {type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a source said of one metric of one slot.

    Attributes:
        value: The figure; None when there was nothing to tell it from.
        count: How many observations it rests on, such as requests.
        unit: `s` seconds, `%`, `/s` a second, `/min` a minute, or empty for a plain number.
        values: Each observed value -> how often, where a comparison of distributions is possible:
            latencies in seconds, or 0 and 1 for answers that were good and bad.
        note: What the reader of the figure must know, such as that not every request was read.
    """

    value: float | None
    count: int
    unit: str = ""
    values: Mapping[float, int] = field(default_factory=dict)
    note: str = ""


class Source(Protocol):
    """Where figures come from. It may remember what it has read: each is used by one thread."""

    def read(self, metric: str, slot: str, window: Window) -> Sample:
        """One figure.

        Args:
            metric: One of the source's own names.
            slot: `blue` or `green`.
            window: The time it is about.

        Raises:
            SourceError: When it cannot be told now.
        """
        ...


@dataclass(frozen=True)
class SourceContext:
    """What a source is opened with.

    Attributes:
        engine: What runs the environment.
        releases: Slot -> release.
        settings: The settings of the check that asks, where a source has settings of its own.
        keep: Seconds back that windows may begin.
        folder: The deploy tree; where commands run.
        variables: What commands find in their environment.
        reads_back: Whether what the router logged before is read too, as far as it is there.
    """

    engine: Engine
    releases: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    keep: float = 900.0
    folder: Path = Path()
    variables: Mapping[str, str] = field(default_factory=dict)
    reads_back: bool = False


@dataclass(frozen=True)
class SourceKind:
    """A kind of source: each module of `sources/` has one as its `SOURCE`.

    Attributes:
        open: Makes one.
        metrics: Metric -> its unit; empty where each check says what is asked.
        is_shared: Whether one of it serves all checks, so that nothing is read twice.
    """

    open: Callable[[SourceContext], Source]
    metrics: Mapping[str, str] = field(default_factory=dict)
    is_shared: bool = True


def source_names() -> list[str]:
    """The kinds that there are, without importing them."""
    return [name for name in module_names(_PACKAGE) if name not in _NOT_SOURCES]


def find_sources() -> dict[str, SourceKind]:
    """Name -> kind, of all that there are."""
    found = find_modules(_PACKAGE)
    return {name: module.SOURCE for name, module in found.items() if name not in _NOT_SOURCES}
