"""The watch over one release: its triggers, what they said before, what was decided already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from towline.config.guard_section import Guard
from towline.config.services import Role
from towline.guard.observation import Observation
from towline.guard.record import Action
from towline.guard.trigger import Signal, Trigger, TriggerState, make_triggers

# Seconds for which a fault of a backing service explains what else fails.
_EXCUSES = 60.0
# A database that fails is often seen by the apps first, or a round before them.
_EARLIER = 30.0
# A decision that was made is made again only when it weighs more.
_WEIGHT = {Action.NOTIFY: 1, Action.HOLD: 2, Action.ROLLBACK: 3, Action.FAILED: 4}


@dataclass(frozen=True)
class Turn:
    """A trigger changed how it stands.

    Attributes:
        recovers: Whether it is well again after something was decided about it.
    """

    trigger: Trigger
    signal: Signal
    recovers: bool = False

    @property
    def text(self) -> str:
        """For people."""
        words = {TriggerState.PENDING: "failing", TriggerState.FIRED: "fired"}
        if self.signal.state not in words:
            return f"{self.trigger.name} well again"
        return f"{self.trigger.name} {words[self.signal.state]}: {self.signal.text}"


class Vigil:
    """Feeds the triggers of one release and keeps in mind what they say.

    Args:
        release: Identifier of the release.
        settings: The guard's.
        decided: Trigger -> what was decided about this release by a guard before this one.
    """

    def __init__(
        self, release: str, settings: Guard, decided: Mapping[str, Action] | None = None
    ) -> None:
        self.release = release
        self._triggers = make_triggers(settings)
        database = settings.triggers.database
        self._backing = database.services if database else []
        self._decided = {name: _WEIGHT.get(item, 0) for name, item in (decided or {}).items()}
        self._signals: dict[str, Signal] = {}
        self._pending: dict[str, float] = {}
        self._faults: list[tuple[float, str]] = []

    def take(self, seen: Observation) -> list[Turn]:
        """Take one observation; returns which triggers stand otherwise than before it."""
        self._note_faults(seen)
        return [turn for trigger in self._triggers for turn in self._feed(trigger, seen)]

    def lose_sight(self, at: float) -> None:
        """A round in which nobody could be asked: what was counted before counts no more.

        Args:
            at: Seconds on the guard's clock.
        """
        self.take(Observation(at, ""))

    @property
    def fired(self) -> list[tuple[Trigger, Signal]]:
        """The triggers that fire, and what they say."""
        said = ((trigger, self._signals.get(trigger.name)) for trigger in self._triggers)
        return [
            (trigger, signal)
            for trigger, signal in said
            if signal and signal.state is TriggerState.FIRED
        ]

    @property
    def is_clear(self) -> bool:
        """Whether no trigger sees anything wrong."""
        return not self._pending

    def faults(self, trigger: Trigger) -> list[str]:
        """Faults of backing services since a trigger saw something wrong, of the last minute.

        A release that still fails a minute after its database came back does so by itself.
        """
        began = self._pending.get(trigger.name, 0.0) - _EARLIER
        return list(dict.fromkeys(said for at, said in self._faults if at >= began))

    def is_new(self, trigger: Trigger, action: Action) -> bool:
        """Whether a decision says more than those that were made."""
        return _WEIGHT.get(action, 0) > self._decided.get(trigger.name, 0)

    def note(self, trigger: str, action: Action) -> None:
        """Keep in mind what was decided about a trigger."""
        self._decided[trigger] = _WEIGHT.get(action, 0)

    def _feed(self, trigger: Trigger, seen: Observation) -> Iterator[Turn]:
        signal, name = trigger.look(seen), trigger.name
        if signal.state is TriggerState.UNKNOWN:
            return
        before = self._signals.get(name)
        self._signals[name] = signal
        if signal.state is not TriggerState.CLEAR:
            self._pending.setdefault(name, seen.at)
            if before is None or before.state is not signal.state:
                yield Turn(trigger, signal)
            return
        self._pending.pop(name, None)
        recovers = bool(self._decided.pop(name, 0))
        if recovers or (before and before.state is not TriggerState.CLEAR):
            yield Turn(trigger, signal, recovers)

    def _note_faults(self, seen: Observation) -> None:
        services = seen.of(Role.BACKING, named=self._backing)
        bad = (item for item in services if item.is_bad or not item.up)
        self._faults += [(seen.at, f"{item.label}: {item.detail}") for item in bad]
        self._faults = [item for item in self._faults if item[0] >= seen.at - _EXCUSES]
