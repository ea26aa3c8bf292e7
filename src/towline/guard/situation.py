"""What else the guard looks at before it decides: who is at work, what it could roll back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from towline.config.guard_section import Guard
from towline.environments.host_environment import Fleet, observe
from towline.errors import UsageError
from towline.guard.record import Action, read_records
from towline.rollout import host_parts, interrupted, operations
from towline.rollout.schema_guard import judge_rollback
from towline.rollout.since import since
from towline.state import lock
from towline.state.releases import Release

# Operations of the journal that are looked through for rollbacks of the guard.
_REMEMBERED = 300


@dataclass(frozen=True)
class Situation:
    """How an environment stands at the moment of a decision.

    Attributes:
        release: Identifier of the live release.
        live_for: Seconds since it went live; None when the journal does not say.
        holder: Who holds the lock, and for what; empty when nobody does.
        unfinished: The operation that was interrupted or paused; empty when none was.
        target: Identifier of the release that a rollback would bring back; empty without one.
        no_target: Why there is none.
        schema: Why a rollback would be unsafe for the database; empty when it would not.
        interruptions: What a rollback would restart, where the environment asks a person first.
        was_rolled_back: Whether the guard rolled back from this very release before.
        rollbacks: How often it rolled back within `guard.window`.
        backing: Faults of backing services since the trigger saw something wrong.
    """

    release: str
    live_for: float | None = None
    holder: str = ""
    unfinished: str = ""
    target: str = ""
    no_target: str = ""
    schema: str = ""
    interruptions: tuple[str, ...] = ()
    was_rolled_back: bool = False
    rollbacks: int = 0
    backing: tuple[str, ...] = ()


def read_situation(fleet: Fleet, settings: Guard, backing: Sequence[str] = ()) -> Situation:
    """Read it from the lead: its lock, its journal and its retained releases.

    Args:
        fleet: The environment, opened just now: nothing that was read earlier counts.
        settings: The guard's.
        backing: Faults of backing services that were seen.
    """
    site = fleet.lead
    live = observe(site).live
    if live is None:
        return Situation("", no_target="nothing is live")
    holder = lock.living(site.host.files, site.state.lock)
    left = interrupted.of_journal(site.journal.newest())
    went_live = since(site.journal.recent(), live)
    target, why = _find_target(fleet, live)
    begins = (datetime.now(UTC) - timedelta(seconds=settings.window)).isoformat()
    done = [
        item
        for item in read_records(islice(site.journal.recent(), _REMEMBERED))
        if item.action is Action.ROLLBACK
    ]
    return Situation(
        release=live.id,
        live_for=went_live.seconds if went_live else None,
        holder=str(holder) if holder else "",
        unfinished=f"{left.kind} {left.release}" if left and not holder else "",
        target=target.id if target else "",
        no_target=why,
        schema=_schema_fault(fleet, live, target) if target and not settings.keep_schema else "",
        interruptions=_interruptions(fleet, target),
        was_rolled_back=any(item.release == live.id for item in done),
        rollbacks=sum(item.at >= begins for item in done),
        backing=tuple(backing),
    )


def _find_target(fleet: Fleet, live: Release) -> tuple[Release | None, str]:
    try:
        return host_parts.find_previous(fleet.lead, live), ""
    except UsageError as error:
        return None, error.message


def _schema_fault(fleet: Fleet, live: Release, target: Release) -> str:
    verdict = judge_rollback(live, target, fleet.lead.store.all())
    if verdict.difference:
        return next(verdict.warnings())
    return verdict.question.rstrip(".")


def _interruptions(fleet: Fleet, target: Release | None) -> tuple[str, ...]:
    """What a person would be asked about; where nobody is asked, nothing is planned for it."""
    if target is None or not fleet.lead.environment.confirm:
        return ()
    return operations.rollback(fleet, keep_schema=True).interruptions


def read_decided(fleet: Fleet, release: str) -> dict[str, Action]:
    """What a guard decided about a release since it is live, which this one does not repeat."""
    journal = fleet.lead.journal
    went_live = since(journal.recent(), fleet.lead.store.get(release))
    found: dict[str, Action] = {}
    for item in read_records(islice(journal.recent(), _REMEMBERED)):
        if item.release == release and (went_live is None or item.at >= went_live.at):
            found.setdefault(item.trigger, item.action)
    return found
