"""A check of `analysis` fails again and again, over a window that moves along."""

from towline.analysis.checks import Answer
from towline.config.guard_section import ChecksTrigger
from towline.guard.observation import Observation
from towline.guard.trigger import Signal, Trigger, TriggerState


class Checks(Trigger):
    """Fires when one of the checks fails more than N times in a row.

    An answer that cannot tell, or a source that cannot be asked, neither counts nor ends the row.
    """

    name = "checks"

    def __init__(self, settings: ChecksTrigger) -> None:
        self.on_trigger = settings.on_trigger
        self._tolerated = settings.failures
        self._rows: dict[str, int] = {}
        self._texts: dict[str, str] = {}

    def look(self, seen: Observation) -> Signal:
        """See `Trigger.look`."""
        if seen.checks is None:
            return Signal(TriggerState.UNKNOWN, "no check was asked")
        for item in seen.checks:
            if item.answer is Answer.FAIL:
                self._rows[item.label] = self._rows.get(item.label, 0) + 1
                self._texts[item.label] = item.text
            elif item.answer is Answer.PASS:
                self._rows.pop(item.label, None)
        if not self._rows:
            return Signal(TriggerState.CLEAR)
        worst = max(self._rows, key=self._rows.__getitem__)
        row = self._rows[worst]
        times = "once" if row == 1 else f"{row} times in a row"
        state = TriggerState.FIRED if row > self._tolerated else TriggerState.PENDING
        figures = {"failed": row, "tolerated": self._tolerated}
        return Signal(state, f"{worst} failed {times}; last: {self._texts[worst]}", figures)


TRIGGER = Checks
