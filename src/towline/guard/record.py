"""What the guard writes down: a trigger fired, and this was decided.

A note in the journal, which versions without a guard show as they show any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any

from towline.state.journal import Entry, Journal

NOTE = "guard"
# Operations of the journal in which decisions are looked for, and how many are shown.
_LOOKED_AT, _SHOWN = 100, 5


class Action(StrEnum):
    """What was decided."""

    ROLLBACK = "rollback"
    HOLD = "hold"
    NOTIFY = "notify"
    # A rollback that the guard began did not bring the old release back.
    FAILED = "failed"
    # The trigger fires no more.
    RECOVERED = "recovered"


@dataclass(frozen=True)
class GuardRecord:
    """One decision of the guard.

    Attributes:
        release: The release that served.
        text: Why the trigger fired, with its figures in words.
        why: Why this was decided, where it is not what was configured.
        target: The release that was to serve instead.
        at: UTC time, ISO 8601; empty until it is written.
    """

    trigger: str
    release: str
    action: Action
    text: str
    why: str = ""
    target: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    at: str = ""

    @property
    def sentence(self) -> str:
        """For people."""
        return self._said(f"roll back to {self.target}")

    @property
    def outcome(self) -> str:
        """For people, once it is done."""
        return self._said(f"rolled back to {self.target}")

    def has_left(self, release: str) -> bool:
        """Whether it is a rollback from this release."""
        return self.action is Action.ROLLBACK and self.release == release

    def _said(self, rollback: str) -> str:
        if self.action is Action.RECOVERED:
            return f"{self.trigger} recovered"
        said = {
            Action.ROLLBACK: rollback,
            Action.HOLD: "hold",
            Action.NOTIFY: "notify only",
            Action.FAILED: f"the rollback to {self.target} failed",
        }[self.action]
        return f"{self.trigger}: {self.text} → {said}{f': {self.why}' if self.why else ''}"

    def data(self) -> dict[str, Any]:
        """As plain data, for the journal and for machines."""
        return {
            "trigger": self.trigger,
            "release": self.release,
            "decision": str(self.action),
            "reason": self.sentence,
            "text": self.text,
            "why": self.why,
            "to": self.target,
            "figures": dict(self.figures),
        }


def read_record(entry: Entry) -> GuardRecord | None:
    """The record in a journal entry; None when it holds none that this version knows."""
    data = entry.get("data")
    if (entry.get("event"), entry.get("step")) != ("note", NOTE) or not isinstance(data, Mapping):
        return None
    try:
        action = Action(data.get("decision", ""))
    except ValueError:
        return None
    figures = data.get("figures")
    return GuardRecord(
        trigger=str(data.get("trigger", "")),
        release=str(data.get("release", "")),
        action=action,
        text=str(data.get("text", "")),
        why=str(data.get("why", "")),
        target=str(data.get("to", "")),
        figures=dict(figures) if isinstance(figures, Mapping) else {},
        at=str(entry.get("at", "")),
    )


def read_records(operations: Iterable[list[Entry]]) -> Iterator[GuardRecord]:
    """The guard's records among operations and notes, in their order."""
    return (record for entries in operations if (record := read_record(entries[0])))


def recent(journal: Journal) -> list[GuardRecord]:
    """The last decisions of guards, the oldest first."""
    found = read_records(islice(journal.recent(), _LOOKED_AT))
    return [*islice(found, _SHOWN)][::-1]
