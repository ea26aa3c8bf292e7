"""A critical service does not run, or restarts again and again, for longer than it may."""

from dataclasses import dataclass

from towline.config.guard_section import ServiceDownTrigger
from towline.config.services import Role
from towline.config.units import format_duration
from towline.guard.observation import Observation
from towline.guard.trigger import Signal, Trigger, TriggerState

_ROLES = (Role.APP, Role.WORKER, Role.BACKING, Role.ROUTER)


@dataclass
class _Episode:
    """A time in which a service does not stay up.

    Attributes:
        began: When it was seen down first.
        up_since: When it was seen up again; None while it is down.
        rounds: How often it was seen down.
    """

    began: float
    up_since: float | None = None
    rounds: int = 1


class ServiceDown(Trigger):
    """Fires when a service has no container that runs.

    One that restarts counts as down until it has stayed up for half of the time: in between it is
    seen to run. It fires only in a round that sees it down. Time in which nobody could be asked is
    no time that it was down: a host that comes back from a reboot begins anew.
    """

    name = "service_down"

    def __init__(self, settings: ServiceDownTrigger) -> None:
        self.on_trigger = settings.on_trigger
        self._limit = settings.for_
        self._services = settings.services
        self._episodes: dict[str, _Episode] = {}

    def look(self, seen: Observation) -> Signal:
        """See `Trigger.look`."""
        services = seen.of(*_ROLES, named=self._services)
        if not services:
            self._episodes.clear()
            return Signal(TriggerState.UNKNOWN, "nobody could be asked")
        states: dict[str, tuple[bool, str]] = {}
        for item in services:
            is_up = states.get(item.label, (False, ""))[0] or item.up
            states[item.label] = (is_up, item.detail)
        self._episodes = {key: item for key, item in self._episodes.items() if key in states}
        for label, (is_up, _) in states.items():
            self._note(label, seen.at, is_up=is_up)
        down = [label for label, (is_up, _) in states.items() if not is_up]
        if not down:
            return self._recovering()
        worst = min(down, key=lambda label: self._episodes[label].began)
        episode = self._episodes[worst]
        took = seen.at - episode.began
        said = f"{worst} is down for {format_duration(took)}: {states[worst][1]}"
        figures = {"seconds": round(took, 3), "rounds": episode.rounds, "limit": self._limit}
        state = TriggerState.FIRED if took >= self._limit else TriggerState.PENDING
        return Signal(state, said, figures)

    def _note(self, label: str, at: float, *, is_up: bool) -> None:
        episode = self._episodes.get(label)
        if not is_up:
            if episode is None:
                self._episodes[label] = _Episode(at)
            else:
                episode.up_since = None
                episode.rounds += 1
        elif episode:
            episode.up_since = at if episode.up_since is None else episode.up_since
            if at - episode.up_since >= self._limit / 2:
                del self._episodes[label]

    def _recovering(self) -> Signal:
        if not self._episodes:
            return Signal(TriggerState.CLEAR)
        return Signal(TriggerState.PENDING, f"{', '.join(sorted(self._episodes))} just came back")


TRIGGER = ServiceDown
