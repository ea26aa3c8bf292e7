"""Requests by slot and time, in bounded memory: what the router's log is condensed to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from towline.analysis.sketch import Sketch
from towline.analysis.window import Window
from towline.routing.request_log import SWITCHING, Request

STEP = 5.0
"""Seconds of one bucket: windows begin and end on a multiple of it."""


@dataclass(slots=True)
class Bucket:
    """The requests of one slot in one step of time.

    Attributes:
        count: All of them, as far as those that were read stand for others.
        read: Those that were read. What follows is of these: nothing may look surer than it is.
        classes: `2xx`, `3xx`, `4xx`, `5xx` -> how many.
        statuses: Status above 499 -> how many.
        latency: How long the app took, in seconds; without WebSockets, whose time is no latency.
        unattributed: Those whose service nobody can tell.
    """

    count: int = 0
    read: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    latency: Sketch = field(default_factory=Sketch)
    unattributed: int = 0

    def add(self, request: Request, times: int = 1) -> None:
        """Count a request, which stands for so many."""
        self.count += times
        self.read += 1
        self.classes[f"{request.status // 100}xx"] += 1
        if request.status >= 500:
            self.statuses[request.status] += 1
        if request.status != SWITCHING:
            self.latency.add(request.seconds)
        self.unattributed += not request.service

    def merge(self, other: Bucket) -> None:
        """Count all that another one counted."""
        self.count += other.count
        self.read += other.read
        self.classes.update(other.classes)
        self.statuses.update(other.statuses)
        self.latency.merge(other.latency)
        self.unattributed += other.unattributed

    @property
    def errors(self) -> int:
        """Answers above 499: those that are the service's own fault."""
        return self.classes["5xx"]


class RequestHistory:
    """What was requested lately, by slot.

    At most `keep / STEP` buckets a slot, each with a sketch of at most `sketch.BINS` bins; how
    many requests there were does not matter.

    Args:
        keep: Seconds back that windows may begin.
    """

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._buckets: dict[tuple[str, int], Bucket] = {}
        self._latest = 0

    def add(self, requests: Iterable[Request], times: int = 1) -> None:
        """Count requests, each of which stands for so many, and forget those that are too old."""
        for request in requests:
            step = int(request.time // STEP)
            self._latest = max(self._latest, step)
            key = (request.slot, step)
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = Bucket()
            bucket.add(request, times)
        oldest = self._latest - int(self._keep // STEP) - 1
        for key in [key for key in self._buckets if key[1] < oldest]:
            del self._buckets[key]

    def total(self, slot: str, window: Window) -> Bucket:
        """All requests of a slot in a window, which is widened to whole steps."""
        found = Bucket()
        for bucket in self._within(slot, window):
            found.merge(bucket)
        return found

    def series(self, slot: str, window: Window) -> list[Bucket]:
        """The same, step by step; a step without requests is empty."""
        first, last = _steps(window)
        return [self._buckets.get((slot, step), Bucket()) for step in range(first, last + 1)]

    def _within(self, slot: str, window: Window) -> Iterator[Bucket]:
        first, last = _steps(window)
        for (name, step), bucket in self._buckets.items():
            if name == slot and first <= step <= last:
                yield bucket


def _steps(window: Window) -> tuple[int, int]:
    return int(window.start // STEP), int(window.end // STEP)
