"""What the containers of a slot use of their machine, by the engine.

Metrics: `cpu` (% of the cores that a container may use), `memory` (% of its limit, or of the
machine), `restarts` and `oom_kills` (how many in the window). Of several containers the one that
uses most counts; restarts and kills are added up.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from towline.analysis.sources.base import (
    Sample,
    SourceContext,
    SourceError,
    SourceKind,
    Window,
    as_source_error,
)
from towline.config.services import Role
from towline.engines.usage import Usage

METRICS = {"cpu": "%", "memory": "%", "restarts": "", "oom_kills": ""}

# Readings of one container that are remembered: an hour at one each ten seconds.
_MOST = 360
# Of one reading for several metrics; an engine is not asked more often.
_FRESH = 0.5


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    usage: Usage


@dataclass
class ContainersSource:
    """Figures of the containers of each slot, from readings that are remembered."""

    context: SourceContext
    clock: Callable[[], float] = time.time
    _readings: dict[str, dict[str, deque[_Reading]]] = field(default_factory=dict)
    _read_at: dict[str, float] = field(default_factory=dict)

    def read(self, metric: str, slot: str, window: Window) -> Sample:
        """See `Source.read`."""
        if metric not in METRICS:
            raise SourceError(
                f"containers: unknown metric {metric!r}", remedy=f"metrics: {', '.join(METRICS)}"
            )
        if self.clock() - self._read_at.get(slot, 0.0) > _FRESH:
            self._refresh(slot)
        values = []
        for readings in self._readings.get(slot, {}).values():
            within = [item for item in readings if window.start <= item.at <= window.end + _FRESH]
            if metric in ("restarts", "oom_kills"):
                # What was before the window is compared with, or a crash at its start is lost.
                before = [item for item in readings if item.at < window.start]
                within = [*before[-1:], *within]
            value = _figure(metric, within)
            values += [] if value is None else [(value, len(within))]
        if not values:
            self._require_statistics(metric, slot)
            return Sample(None, 0, METRICS[metric])
        figures, count = [value for value, _ in values], sum(number for _, number in values)
        is_sum = metric in ("restarts", "oom_kills")
        return Sample(sum(figures) if is_sum else max(figures), count, METRICS[metric])

    def _require_statistics(self, metric: str, slot: str) -> None:
        last = [readings[-1].usage for readings in self._readings.get(slot, {}).values()]
        is_asked = metric in ("cpu", "memory")
        if is_asked and last and all(item.memory is None for item in last):
            raise SourceError(
                f"containers: the engine has no statistics of {metric}",
                remedy="`docker stats` on that host shows them; its engine's log says why not",
            )

    def _refresh(self, slot: str) -> None:
        """Take one reading of each container that runs in a slot."""
        engine = self.context.engine
        try:
            found = engine.observe().of(slot, Role.APP, Role.WORKER)
            running = [item for item in found if item.running]
            for item in running:
                reading = _Reading(self.clock(), engine.usage(item))
                known = self._readings.setdefault(slot, {})
                known.setdefault(item.id, deque(maxlen=_MOST)).append(reading)
        except Exception as error:
            raise as_source_error("containers", error) from None
        self._read_at[slot] = self.clock()


def _figure(metric: str, readings: list[_Reading]) -> float | None:
    if not readings:
        return None
    first, last = readings[0].usage, readings[-1].usage
    if metric == "cpu":
        return _cpu(readings)
    if metric == "memory":
        shares = [_memory(item.usage) for item in readings]
        return max((share for share in shares if share is not None), default=None)
    if metric == "restarts":
        return float(max(0, last.restarts - first.restarts))
    return float(max(0, last.oom_kills - first.oom_kills))


def _memory(usage: Usage) -> float | None:
    if usage.memory is None or not usage.memory_limit:
        return None
    return 100 * usage.memory / usage.memory_limit


def _cpu(readings: list[_Reading]) -> float | None:
    """Of the time between readings, how much of its cores a container used; None of one reading.

    A container that started anew begins at 0: what lies between is left out.
    """
    used = spent = 0.0
    for one, other in pairwise(item.usage for item in readings):
        if one.cpu_seconds is None or other.cpu_seconds is None:
            continue
        if other.cpu_seconds >= one.cpu_seconds:
            used += other.cpu_seconds - one.cpu_seconds
            spent += (other.read_at - one.read_at) * other.cores
    return 100 * used / spent if spent > 0 else None


SOURCE = SourceKind(ContainersSource, METRICS)
