"""The share of requests that the live release answers with 5xx stays too high for too long."""

from collections import deque

from towline.config.guard_section import ErrorsTrigger
from towline.config.units import format_duration
from towline.guard.observation import Observation
from towline.guard.request_counter import Tally
from towline.guard.trigger import Signal, Trigger, TriggerState

# The time is looked at in so many parts: each must have requests enough and be bad by itself, so
# that one burst, however bad, is not taken for a state.
_PARTS = 5


class Errors(Trigger):
    """Fires when too many requests failed, over all of the time and in each part of it.

    Where too few came to tell, it says nothing: no data is no proof, neither for nor against.
    """

    name = "errors"

    def __init__(self, settings: ErrorsTrigger) -> None:
        self.on_trigger = settings.on_trigger
        self._above, self._limit = settings.above, settings.for_
        self._minimum = settings.minimum
        self._began: float | None = None
        # Each round's time, that of the round before, and what was counted in between.
        self._seen: deque[tuple[float, float, Tally]] = deque()
        self._before: float | None = None

    def look(self, seen: Observation) -> Signal:
        """See `Trigger.look`."""
        if seen.requests is None:
            self._before = None
            return Signal(TriggerState.UNKNOWN, "the router's request log cannot be read")
        if self._began is None:
            self._began = seen.at
        since = seen.at if self._before is None else self._before
        self._before = seen.at
        self._seen.append((seen.at, since, seen.requests))
        while self._seen[0][0] <= seen.at - self._limit:
            self._seen.popleft()
        parts = [self._part(seen.at, number) for number in range(_PARTS)]
        enough = [part for part in parts if part.count >= max(1, self._minimum / _PARTS)]
        if not enough or not self._is_bad(enough[-1]):
            return Signal(TriggerState.CLEAR)
        total = sum((tally for *_, tally in self._seen), Tally())
        took = min(self._limit, seen.at - self._began)
        is_long = seen.at - self._began >= self._limit
        is_fired = (
            is_long
            and total.count >= self._minimum
            and self._is_bad(total)
            and len(enough) == _PARTS
            and all(map(self._is_bad, enough))
        )
        said = (
            f"{100 * total.share:.1f} % of {total.count} requests failed in "
            f"{format_duration(took)}, more than {100 * self._above:g} % are too many"
        )
        figures = {
            "share": round(total.share, 4),
            "requests": total.count,
            "errors": total.errors,
            "above": self._above,
            "seconds": round(took, 3),
        }
        return Signal(TriggerState.FIRED if is_fired else TriggerState.PENDING, said, figures)

    def _is_bad(self, tally: Tally) -> bool:
        return tally.share > self._above

    def _part(self, now: float, number: int) -> Tally:
        """What was counted in one part of the time; the last one is the newest.

        What was counted between two rounds is spread over that time, so that rounds may take longer
        than a part. After a gap nobody knows, and all of it counts at its end.
        """
        length = self._limit / _PARTS
        end = now - (_PARTS - 1 - number) * length
        count = errors = 0.0
        for at, since, tally in self._seen:
            share = _overlap(since, at, end - length, end)
            count, errors = count + share * tally.count, errors + share * tally.errors
        return Tally(round(count), round(errors))


def _overlap(since: float, at: float, begin: float, end: float) -> float:
    """The share of the time between two rounds that lies in a part."""
    if since >= at:
        return float(begin < at <= end)
    return max(0.0, min(at, end) - max(since, begin)) / (at - since)


TRIGGER = Errors
