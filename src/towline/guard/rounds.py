"""Failed rounds in a row: what probes say is believed when they say it again and again."""

from collections.abc import Sequence

from towline.guard.observation import ServiceSeen
from towline.guard.trigger import Signal, TriggerState


class Rounds:
    """Counts rounds in which something failed, without one in which all was well.

    A round that cannot tell, such as one in which a container is starting, neither counts nor
    ends the row: a service that crashes again and again is often seen while it starts. A container
    that just began, after a reboot of its host perhaps, has the time that a new release has.

    Args:
        tolerated: Failed rounds in a row that mean nothing yet.
    """

    def __init__(self, tolerated: int) -> None:
        self._tolerated = tolerated
        self._row = 0
        self._last = ""
        # Containers that were healthy since they began.
        self._proven: set[str] = set()

    def count(self, services: Sequence[ServiceSeen]) -> Signal:
        """Take what was seen in one round."""
        if not services:
            # Nobody knows what happens meanwhile: it may be a reboot.
            self._proven.clear()
            self._row = 0
            return Signal(TriggerState.UNKNOWN, "nobody could be asked")
        self._note(services)
        bad = [item for item in services if item.is_bad and not self._is_starting(item)]
        if bad:
            self._row += 1
            self._last = f"{bad[0].label}: {bad[0].detail}"
        elif all(item.outcome == "healthy" for item in services):
            self._row = 0
        if not self._row:
            return Signal(TriggerState.CLEAR)
        figures = {"failed_rounds": self._row, "tolerated": self._tolerated, "failing": len(bad)}
        rounds = "1 round" if self._row == 1 else f"{self._row} rounds in a row"
        state = TriggerState.FIRED if self._row > self._tolerated else TriggerState.PENDING
        return Signal(state, f"{rounds} failed; last: {self._last}", figures)

    def _note(self, services: Sequence[ServiceSeen]) -> None:
        for item in services:
            if item.outcome == "healthy":
                self._proven.add(item.container)
            elif not item.up:
                self._proven.discard(item.container)

    def _is_starting(self, item: ServiceSeen) -> bool:
        return item.is_young and item.container not in self._proven
