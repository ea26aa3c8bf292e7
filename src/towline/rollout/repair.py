"""A journal that is damaged is put aside, and a new one begins with what is still to be done."""

import uuid
from collections.abc import Callable

from towline.environments.host_environment import Fleet
from towline.environments.journal_anchor import anchors, contradictions
from towline.environments.lead_lock import secured
from towline.state import lock
from towline.state.journal import Journal, unfinished


def find_damage(fleet: Fleet) -> list[str]:
    """What is wrong with all of a journal, a line each; empty when nothing is."""
    journal = fleet.lead.journal
    return [*journal.verify(), *contradictions(journal, anchors(fleet.sites))]


def repair_journal(
    fleet: Fleet,
    *,
    thorough: bool = False,
    reason: str = "",
    say: Callable[[str], None] = lock.silent,
) -> str:
    """Put a damaged journal aside; returns where it went, empty when it stays.

    What was interrupted stays interrupted: it can still be resumed or aborted.

    Args:
        fleet: The environment.
        thorough: Repair too what stops nobody: older files, and what was cut off at the end. A
            chain that is whole stays, and says from then on what it lacks.
        reason: Why, in the words of whoever asks for it.
        say: Told whom it waits for.

    Raises:
        Locked: When someone else is running an operation.
    """
    site = fleet.lead
    if not (site.journal.is_damaged() or (thorough and find_damage(fleet))):
        return ""
    with secured(site, "repair the journal", say=say):
        # What releases remember of the old journal is not missing in the new one.
        known = anchors(fleet.sites)
        replaces = sorted({item.hash for item in known})
        broken = site.journal.failure()
        if thorough and not broken:
            broken = next(
                (line for line in site.journal.verify() if "half-written" not in line), ""
            )
        if broken:
            return _begin_anew(site.journal, broken, replaces, reason)
        wrong = contradictions(site.journal, known)
        what = wrong[0] if wrong else "half a line was cut off"
        _note(site.journal, what, replaces, reason)
        return ""


def _begin_anew(journal: Journal, why: str, replaces: list[str], reason: str) -> str:
    last = journal.last_operation()
    left = unfinished(last)
    place = str(journal.set_aside())
    _note(journal, f"{why}; the file is {place} now", replaces, reason)
    if left:
        begin = next(entry for entry in last if entry["event"] == "begin")
        journal.write(left.operation, "begin", data=begin["data"])
        if left.step:
            journal.write(left.operation, "intent", left.step)
        if left.pause:
            data = {"share": left.pause.share, "reason": left.pause.reason}
            data["verdict"] = left.pause.verdict
            who = {"actor": left.pause.actor.data()}
            journal.write(left.operation, "pause", left.pause.step, {**data, **who})
    return place


def _note(journal: Journal, what: str, replaces: list[str], reason: str) -> None:
    """A note, and no operation: what was interrupted before it is still the last one."""
    data = {"reason": f"{what}: {reason}" if reason else what, "replaces": replaces}
    journal.write(uuid.uuid4().hex[:8], "note", "repair", data)
