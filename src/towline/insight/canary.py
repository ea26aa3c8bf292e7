"""What analysis sees right now: the requests of each slot, on all hosts together."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from towline.analysis.requests import STEP, Bucket
from towline.analysis.sources.base import SourceContext
from towline.analysis.sources.router import RouterSource
from towline.analysis.window import Window
from towline.engines.observed import SLOTS
from towline.environments.host_environment import Away, Fleet, HostEnvironment


@dataclass(frozen=True)
class SlotTraffic:
    """The requests of one slot in the window.

    Attributes:
        share: Percentage of traffic that it is to get.
        requests: How many were answered.
        rate: A second.
        errors: Share of answers above 499, in %; None without requests.
        p95: Seconds; None without requests.
        rates: Requests a second, a value each `STEP` seconds, the oldest first.
        p95s: The same of `p95`.
    """

    slot: str
    release: str
    share: int
    requests: int
    rate: float
    errors: float | None
    p95: float | None
    rates: tuple[float, ...]
    p95s: tuple[float | None, ...]

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "slot": self.slot,
            "release": self.release,
            "share": self.share,
            "requests": self.requests,
            "rate": round(self.rate, 3),
            "errors": self.errors,
            "p95": self.p95,
            "rates": [round(value, 3) for value in self.rates],
            "p95s": list(self.p95s),
        }


@dataclass(frozen=True)
class Look:
    """What was seen at one moment.

    Attributes:
        at: UTC time, ISO 8601.
        seconds: How far it looks back.
        notes: What the reader of the figures must know.
        away: Hosts that could not be asked.
    """

    at: str
    seconds: float
    slots: tuple[SlotTraffic, ...]
    notes: tuple[str, ...] = ()
    away: tuple[str, ...] = ()

    def data(self, environment: str) -> dict[str, Any]:
        """As plain data."""
        return {
            "environment": environment,
            "at": self.at,
            "seconds": self.seconds,
            "slots": [item.data() for item in self.slots],
            "notes": list(self.notes),
            "away": list(self.away),
        }


@dataclass
class TrafficView:
    """Looks at an environment again and again; what was read is remembered.

    Attributes:
        seconds: How far it looks back.
    """

    fleet: Fleet
    seconds: float
    clock: Callable[[], float] = time.time
    _sources: dict[str, RouterSource] = field(default_factory=dict)

    def look(self) -> Look:
        """What the last seconds brought.

        Raises:
            SourceError: When the router of the only host cannot be asked, or keeps no log.
        """
        now = self.clock()
        window = Window(now - self.seconds, now)
        found = self.fleet.asked(lambda site: self._on(site, window))
        there = [item for item in found if not isinstance(item, Away)]
        away = [item.host for item in (*found, *self.fleet.away) if isinstance(item, Away)]
        slots = []
        for slot in SLOTS:
            parts = [item[slot] for item in there if slot in item]
            if parts:
                slots.append(_together(slot, parts, self.seconds))
        notes = dict.fromkeys(source.note for source in self._sources.values() if source.note)
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return Look(at, self.seconds, tuple(slots), tuple(notes), tuple(away))

    def _on(self, site: HostEnvironment, window: Window) -> dict[str, "_Part"]:
        name = site.host.name
        if name not in self._sources:
            context = SourceContext(site.engine, {}, keep=self.seconds + STEP, reads_back=True)
            self._sources[name] = RouterSource(context)
        source = self._sources[name]
        source.refresh()
        observed = site.engine.observe()
        routes = site.engine.routes(observed)
        found = {}
        for slot in SLOTS:
            series = source.history.series(slot, window)
            share = routes.share(slot)
            if share or any(bucket.count for bucket in series):
                found[slot] = _Part(observed.release_of(slot), share, series)
        return found


@dataclass(frozen=True)
class _Part:
    """One slot of one host."""

    release: str
    share: int
    series: list[Bucket]


def _together(slot: str, parts: list[_Part], seconds: float) -> SlotTraffic:
    """One slot on all hosts: sketches of several add up to one."""
    steps = []
    for buckets in zip(*(part.series for part in parts), strict=True):
        step = Bucket()
        for bucket in buckets:
            step.merge(bucket)
        steps.append(step)
    total = Bucket()
    for step in steps:
        total.merge(step)
    return SlotTraffic(
        slot=slot,
        release=next((part.release for part in parts if part.release), ""),
        share=max(part.share for part in parts),
        requests=total.count,
        rate=total.count / seconds,
        errors=100 * total.errors / total.read if total.read else None,
        p95=total.latency.quantile(0.95),
        rates=tuple(step.count / STEP for step in steps),
        p95s=tuple(step.latency.quantile(0.95) for step in steps),
    )
