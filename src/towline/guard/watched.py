"""What came of a watch, and what a command makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from towline.errors import CheckFailed, ManualInterventionRequired, RolledBack, TowlineError
from towline.guard.record import Action, GuardRecord


@dataclass
class Watched:
    """What came of it so far.

    Attributes:
        release: The release that is live, as far as the guard saw last; empty when nothing is.
        rounds: How often the guard looked.
        blind: Why it saw nothing in the last round; empty when it saw.
        records: What was decided, in the order of time; by another guard, where it rolled back.
        first: The release that was seen live first, whose watch this is.
    """

    release: str = ""
    rounds: int = 0
    blind: str = ""
    records: list[GuardRecord] = field(default_factory=list)
    first: str = ""

    def has(self, *actions: Action) -> bool:
        """Whether one of these was decided."""
        return any(item.action in actions for item in self.records)

    def has_left(self, release: str) -> bool:
        """Whether a guard rolled back from a release."""
        return any(item.has_left(release) for item in self.records)

    @property
    def result(self) -> str:
        """In one word, the worst counts: well, replaced, blind, fired, rolled back or failed."""
        if self.has(Action.FAILED):
            return "failed"
        if self.has(Action.ROLLBACK):
            return "rolled back"
        if self.records:
            return "fired"
        if self.blind or not self.release:
            return "blind"
        return "replaced" if self.first not in ("", self.release) else "well"

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "result": self.result,
            "release": self.release or None,
            "rounds": self.rounds,
            "blind": self.blind or None,
            "decisions": [item.data() for item in self.records],
        }


def require_well(watched: Watched, environment: str) -> None:
    """Raise unless all was well to the end.

    Raises:
        ManualInterventionRequired: When a rollback failed.
        RolledBack: When one was done.
        CheckFailed: When a trigger fired, and people were told, or deploys are held.
        TowlineError: When nothing was seen at the end, nothing is live, or somebody else let
            another release go live meanwhile.
    """
    result = watched.result
    if result == "well":
        return
    history = f"`inv history --env {environment}` shows it"
    if result == "blind":
        raise TowlineError(
            f"{environment} could not be watched: {watched.blind or 'nothing is live'}",
            remedy=f"`inv status --env {environment}` shows what serves",
        )
    if result == "replaced":
        raise TowlineError(
            f"{watched.first} was not watched to the end: {watched.release} is live in "
            f"{environment} by now",
            remedy=f"{history}; `inv guard --env {environment}` watches what is live",
        )
    worst = next(item for item in reversed(watched.records) if _is_worst(item, result))
    if result == "failed":
        raise ManualInterventionRequired(
            f"{environment}: {worst.sentence}",
            remedy=f"`inv status --env {environment}` shows what serves; {history}",
        )
    if result == "rolled back":
        raise RolledBack(
            f"{environment} was rolled back from {worst.release} to {worst.target} "
            f"({worst.trigger}: {worst.text})",
            remedy=f"{history}; when it is fixed: `inv hold.lift --env {environment}`, then deploy",
        )
    raise CheckFailed(
        f"{environment}: {worst.sentence}",
        remedy=f"{history}; `inv rollback --env {environment}` rolls back all the same",
    )


def _is_worst(record: GuardRecord, result: str) -> bool:
    wanted = {"failed": Action.FAILED, "rolled back": Action.ROLLBACK}.get(result)
    return wanted is None or record.action is wanted
