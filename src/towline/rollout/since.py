"""When traffic last moved to the live release, and by whom, from the journal."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from towline.rollout.steps.table import RESTORE, SWITCH
from towline.state import actor
from towline.state.actor import Actor
from towline.state.journal import Entry
from towline.state.releases import Release


@dataclass(frozen=True)
class Since:
    """When traffic last moved to the live release.

    Attributes:
        at: UTC time, ISO 8601.
        seconds: How long ago that is.
        actor: Who moved it.
    """

    at: str
    seconds: float
    actor: Actor


def since(operations: Iterable[list[Entry]], live: Release | None) -> Since | None:
    """When traffic last moved to a release, how long ago that is, and who moved it.

    Args:
        operations: The entries of each, the newest operation first.
        live: The release that serves.
    """
    found = _moved(operations, live.id) if live else None
    if not found:
        return None
    at, entries = found
    age = time.time() - datetime.fromisoformat(at).timestamp()
    return Since(at, max(0.0, age), actor.read(entries[0]["data"].get("actor")))


def _moved(operations: Iterable[list[Entry]], live: str) -> tuple[str, list[Entry]] | None:
    """When, and the operation."""
    aborted: tuple[str, list[Entry]] | None = None
    for entries in operations:
        begin = entries[0]["data"]
        tried = any((e["event"], e["step"]) == ("intent", SWITCH) for e in entries)
        if aborted and begin.get("kind") != "abort":
            # An abort moved traffic back only if the operation before it had moved it away.
            if tried:
                return aborted
            aborted = None
        back = _done(entries, RESTORE) if begin.get("before") == live else ""
        if back and begin.get("kind") == "abort":
            aborted = aborted or (back, entries)
        elif back and tried:
            return back, entries
        elif begin.get("release") == live and not _done(entries, RESTORE):
            there = _done(entries, SWITCH)
            if there:
                return there, entries
    return None


def _done(entries: list[Entry], step: str) -> str:
    """When a step was done; empty when it was not."""
    found = (e for e in reversed(entries) if (e["event"], e["step"]) == ("outcome", step))
    return next((str(e["at"]) for e in found if e["data"].get("ok")), "")
