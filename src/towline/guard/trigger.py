"""What a trigger is: a state machine that is fed with observations, and fires.

It has no clock of its own: the time is that of the observation. It counts for one release; when
another one goes live, the guard makes new ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from towline.config.guard_section import Guard, OnTrigger
from towline.discovery import find_modules
from towline.guard.observation import Observation

_PACKAGE = "towline.guard.triggers"


class TriggerState(StrEnum):
    """How a trigger stands."""

    CLEAR = "clear"
    # Something is wrong, and not for long enough.
    PENDING = "pending"
    FIRED = "fired"
    # Nobody could be asked.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Signal:
    """What a trigger says of one observation.

    Attributes:
        text: One line, for people and the journal; empty when all is well.
        figures: What it rests on, by name.
    """

    state: TriggerState
    text: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


class Trigger(ABC):
    """Something that, once it holds for long enough, lets the guard act.

    Attributes:
        name: The key of `guard.triggers`; the module has the same name.
        blames_release: Whether the release may be the cause, so that another one may help.
        on_trigger: What to do when it fires; None for what the environment says.
    """

    name: ClassVar[str]
    blames_release: ClassVar[bool] = True
    on_trigger: OnTrigger | None

    @abstractmethod
    def look(self, seen: Observation) -> Signal:
        """Take one observation, in the order of time."""


def make_triggers(settings: Guard) -> list[Trigger]:
    """A new trigger of each kind that is not switched off."""
    kinds = find_modules(_PACKAGE)
    sections = {name: getattr(settings.triggers, name) for name in kinds}
    return [kinds[name].TRIGGER(section) for name, section in sections.items() if section]
