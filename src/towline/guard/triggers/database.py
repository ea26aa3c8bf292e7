"""A backing service fails its own probe or health check, more than N rounds in a row."""

from towline.config.guard_section import DatabaseTrigger
from towline.config.services import Role
from towline.guard.observation import Observation
from towline.guard.rounds import Rounds
from towline.guard.trigger import Signal, Trigger, TriggerState


class Database(Trigger):
    """Fires when a database, a cache or the like does not answer; no other release would help."""

    name = "database"
    blames_release = False

    def __init__(self, settings: DatabaseTrigger) -> None:
        self.on_trigger = settings.on_trigger
        self._services = settings.services
        self._rounds = Rounds(settings.failures)

    def look(self, seen: Observation) -> Signal:
        """See `Trigger.look`."""
        services = seen.of(Role.BACKING, named=self._services)
        if not services and seen.services:
            # A release that has none.
            return Signal(TriggerState.CLEAR)
        return self._rounds.count(services)


TRIGGER = Database
