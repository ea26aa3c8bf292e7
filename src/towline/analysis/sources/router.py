"""What users got, from the router's request log: no change to any app.

Metrics: `rate` (requests a second), `errors` (share of answers above 499, in %), `client_errors`
(share of 4xx), `p50`, `p95`, `p99` and `mean` (seconds that the app took).

Reading goes on where it ended, and no line is read twice. Above `MOST` requests a second only every
n-th is looked at, and every figure says so.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from towline.analysis.requests import Bucket, RequestHistory
from towline.analysis.sources.base import (
    Sample,
    SourceContext,
    SourceError,
    SourceKind,
    Window,
    as_source_error,
)
from towline.routing.request_log import parse_line
from towline.routing.request_reader import LogPart, LogPosition

MOST = 20_000
"""Lines of one reading that are all looked at; of more, every n-th is."""

# Seconds by which clocks may differ: the router tells its own to the second only.
_SKEW = 2.0
_QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
METRICS = {
    "rate": "/s", "errors": "%", "client_errors": "%", "mean": "s",
    **dict.fromkeys(_QUANTILES, "s"),
}  # fmt: skip


@dataclass
class RouterSource:
    """Figures of the requests that each slot answered.

    Attributes:
        history: What was read.
        missing: How often requests were logged that could not be read any more.
        broken: Lines that were none.
        every: Of the last reading, every n-th request was looked at.
    """

    context: SourceContext
    history: RequestHistory = field(init=False)
    missing: int = 0
    broken: int = 0
    every: int = 1
    clock: Callable[[], float] = time.time
    _position: LogPosition | None = None
    _window: Window | None = None
    _totals: dict[str, Bucket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.history = RequestHistory(self.context.keep)
        if self.context.reads_back:
            self._position = LogPosition()

    def refresh(self) -> None:
        """Read what was logged since the last time; the first time, only from now on.

        Raises:
            SourceError: When the router cannot be asked, or keeps no log.
        """
        try:
            if self._position is None:
                self._position = self.context.engine.requests().position
                return
            part = self.context.engine.requests(self._position)
        except Exception as error:
            raise as_source_error("router", error) from None
        self._position = part.position
        self._take(part)

    def read(self, metric: str, slot: str, window: Window) -> Sample:
        """See `Source.read`; the log is read once for all that is asked about one window."""
        if window != self._window:
            self.refresh()
            self._window, self._totals = window, {}
        if metric not in METRICS:
            raise SourceError(
                f"router: unknown metric {metric!r}", remedy=f"metrics: {', '.join(METRICS)}"
            )
        if slot not in self._totals:
            self._totals[slot] = self.history.total(slot, window)
        return sample(metric, self._totals[slot], window, note=self.note)

    @property
    def note(self) -> str:
        """What the reader of a figure must know."""
        said = [
            f"1 in {self.every} requests read" if self.every > 1 else "",
            "some requests were logged and lost before they could be read" if self.missing else "",
        ]
        return "; ".join(filter(None, said))

    def _take(self, part: LogPart) -> None:
        self.missing += part.is_missing_some
        lines = part.lines
        self.every = -(-len(lines) // MOST) or 1
        if self.every > 1:
            # By content and not by place: nothing that repeats in the traffic can be in step.
            lines = tuple(line for line in lines if zlib.crc32(line) % self.every == 0)
        found = [parse_line(line) for line in lines]
        requests = [item for item in found if item is not None]
        self.broken += len(found) - len(requests)
        # Windows are of this machine's clock, lines of the router's.
        skew = part.clock - self.clock() if part.clock else 0.0
        if abs(skew) > _SKEW:
            requests = [replace(item, time=item.time - skew) for item in requests]
        self.history.add(requests, self.every)


def sample(metric: str, total: Bucket, window: Window, note: str = "") -> Sample:
    """One figure of what was counted."""
    unit, count = METRICS[metric], total.read
    if metric == "rate":
        rate = total.count / window.seconds if window.seconds else None
        return Sample(rate, count, unit, note=note)
    if metric in ("errors", "client_errors"):
        bad = total.errors if metric == "errors" else total.classes["4xx"]
        share = 100 * bad / count if count else None
        return Sample(share, count, unit, {0.0: count - bad, 1.0: bad}, note)
    latency = total.latency
    values = dict(latency.values())
    if metric == "mean":
        mean = latency.total / latency.count if latency.count else None
        return Sample(mean, latency.count, unit, values, note)
    return Sample(latency.quantile(_QUANTILES[metric]), latency.count, unit, values, note)


SOURCE = SourceKind(RouterSource, METRICS)
