"""The app containers of the live release fail their probes, more than N rounds in a row."""

from towline.config.guard_section import HealthTrigger
from towline.config.services import Role
from towline.guard.observation import Observation
from towline.guard.rounds import Rounds
from towline.guard.trigger import Signal, Trigger


class Health(Trigger):
    """Fires when one app container or another fails round after round."""

    name = "health"

    def __init__(self, settings: HealthTrigger) -> None:
        self.on_trigger = settings.on_trigger
        self._rounds = Rounds(settings.failures)

    def look(self, seen: Observation) -> Signal:
        """See `Trigger.look`."""
        return self._rounds.count(seen.of(Role.APP))


TRIGGER = Health
