"""A journal that is damaged is put aside, and a new one begins with what is still to be done."""

import uuid

from towline.rollout import lock
from towline.rollout.journal import Journal, unfinished
from towline.rollout.site import Fleet


def repair_journal(fleet: Fleet) -> str:
    """Put a damaged journal aside; returns where it went, empty when it is well.

    What was interrupted stays interrupted: it can still be resumed or aborted.

    Raises:
        Locked: When someone else is running an operation.
    """
    site = fleet.lead
    if not site.journal.is_damaged():
        return ""
    with lock.held(site.host.files, site.state.lock, "repair the journal"):
        return _repair(site.journal)


def _repair(journal: Journal) -> str:
    why = journal.failure()
    if not why:
        return ""
    last = next(journal.recent(), [])
    left = unfinished(last)
    place = str(journal.set_aside())
    operation = uuid.uuid4().hex[:8]
    data = {"kind": "repair", "reason": f"{why}; the file is {place} now"}
    journal.write(operation, "begin", data=data)
    journal.write(operation, "end", data={"ok": True})
    if left:
        begin = next(entry for entry in last if entry["event"] == "begin")
        journal.write(left.operation, "begin", data=begin["data"])
        if left.step:
            journal.write(left.operation, "intent", left.step)
    return place
