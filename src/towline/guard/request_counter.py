"""How many requests the live release answered since the last round, from the router's log.

Only counts are kept. What was logged before the first round is left out: it may be of long ago.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from towline.engines.base import Engine
from towline.errors import TowlineError
from towline.routing.request_log import parse_line
from towline.routing.request_reader import LogPosition

# Lines of one round that are all looked at; of more, every n-th is.
MOST = 20_000
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests that were answered, and those among them that failed (5xx)."""

    count: int = 0
    errors: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.count + other.count, self.errors + other.errors)

    @property
    def share(self) -> float:
        """The share of errors; zero without requests."""
        return self.errors / self.count if self.count else 0.0


@dataclass
class RequestCounter:
    """Counts the requests of one host; it goes on where its last reading ended."""

    _positions: dict[str, LogPosition] = field(default_factory=dict)

    def count(self, engine: Engine, slot: str, host: str = "") -> Tally | None:
        """The requests that a slot answered since the last time.

        Args:
            engine: What runs the router.
            slot: The slot.
            host: The engine's host.

        Returns:
            None when nobody can tell: the log cannot be read, or this is the first time.
        """
        before = self._positions.get(host)
        try:
            part = engine.requests(before) if before else engine.requests()
        except (OSError, TowlineError):
            self._positions.pop(host, None)
            return None
        self._positions[host] = part.position
        if before is None:
            return None
        every = -(-len(part.lines) // MOST) or 1
        # By content and not by place: nothing that repeats in the traffic can be in step.
        lines = (line for line in part.lines if every == 1 or zlib.crc32(line) % every == 0)
        found = [item for item in map(parse_line, lines) if item and item.slot == slot]
        errors = sum(item.status >= _SERVER_ERROR for item in found)
        return Tally(len(found) * every, errors * every)
