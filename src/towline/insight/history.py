"""The operations of an environment, read from its journal."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

from towline.config.redaction import excerpt
from towline.environments.host_environment import Fleet, HostEnvironment
from towline.errors import TowlineError
from towline.guard.record import read_record
from towline.rollout.repair import find_damage
from towline.rollout.steps.table import current_name
from towline.state import actor
from towline.state.actor import Actor
from towline.state.journal import Entry

_SHOWN = 300
# What a note says to machines, and what is told elsewhere in its row.
_UNSPOKEN = ("replaces", "actor")


class Result(StrEnum):
    """How an operation ended."""

    OK = "ok"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"
    NOTE = "note"


@dataclass(frozen=True)
class PastOperation:
    """One operation, or something that was noted by itself.

    Attributes:
        id: Its name in the journal.
        kind: `deploy`, `rollback`, `hold` and the like.
        release: What it was to bring, and `before`, what served before it.
        began_at: UTC time, ISO 8601.
        seconds: How long it took; None for a note.
        reason: Why somebody asked for it, or why it failed.
        actor: Who ran it.
    """

    id: str
    result: Result
    kind: str
    release: str
    before: str
    began_at: str
    seconds: float | None
    reason: str
    actor: Actor


def operations(site: HostEnvironment, *, last: int) -> list[PastOperation]:
    """The last operations, newest first; what cannot be read is left out."""
    return [past_operation(entries) for entries in islice(site.journal.recent(), last)]


def require_whole(fleet: Fleet) -> int:
    """How many entries the journal has.

    Raises:
        TowlineError: When a line was changed, is missing or was half-written, or when the journal
            is not the one that retained releases on any host remember.
    """
    if fleet.leaderless:
        raise fleet.leaderless
    wrong = find_damage(fleet)
    if wrong:
        raise TowlineError(
            wrong[0],
            details=wrong[1:],
            remedy="compare with a backup, then `inv history.repair`; the next operation repairs a "
            "half-written last line",
        )
    return sum(1 for _ in fleet.lead.journal.walk())


def past_operation(entries: list[Entry]) -> PastOperation:
    """An operation, from its entries in the journal."""
    begin, final = entries[0]["data"], entries[-1]
    if entries[0]["event"] == "note":
        return _note(entries[0])
    result, reason = _result(begin, final)
    took = datetime.fromisoformat(final["at"]) - datetime.fromisoformat(entries[0]["at"])
    return PastOperation(
        id=entries[0]["op"],
        result=result,
        kind=str(begin.get("kind", "")),
        release=str(begin.get("release", "")),
        before=str(begin.get("live", "")),
        began_at=entries[0]["at"],
        seconds=max(0.0, took.total_seconds()),
        # A page that a probe was answered, perhaps; all of it is in the journal.
        reason=excerpt(str(reason), _SHOWN),
        actor=actor.read(begin.get("actor")),
    )


def _result(begin: Entry, final: Entry) -> tuple[Result, object]:
    """How it ended, and why."""
    if final["event"] == "pause":
        return Result.PAUSED, _pause(final)
    if final["event"] != "end":
        return Result.INTERRUPTED, f"at step {current_name(final['step']) or 'begin'}"
    if final["data"].get("ok"):
        return Result.OK, begin.get("reason", "")
    result = Result.ROLLED_BACK if final["data"].get("rolled_back") else Result.FAILED
    return result, final["data"].get("error", "")


def _pause(entry: Entry) -> str:
    data = entry["data"]
    why = f": {data['reason']}" if data.get("reason") else ""
    return f"at {data.get('share')} % of traffic, after step {entry['step']}{why}"


def _note(entry: Entry) -> PastOperation:
    """Something that was written down by itself, such as another lead."""
    decided = read_record(entry)
    if decided:
        return PastOperation(
            id=entry["op"],
            result=Result.NOTE,
            kind=entry["step"],
            release=decided.release,
            before="",
            began_at=entry["at"],
            seconds=None,
            reason=excerpt(decided.sentence, _SHOWN),
            actor=actor.read(entry["data"].get("actor")),
        )
    data = {name: value for name, value in entry["data"].items() if name not in _UNSPOKEN and value}
    only = [*data] == ["reason"]
    said = [str(value) if only else f"{_words(name)} {value}" for name, value in data.items()]
    return PastOperation(
        id=entry["op"],
        result=Result.NOTE,
        kind=entry["step"],
        release="",
        before="",
        began_at=entry["at"],
        seconds=None,
        reason=excerpt(", ".join(said), _SHOWN),
        actor=actor.read(entry["data"].get("actor")),
    )


def _words(name: str) -> str:
    return name.replace("_", " ")
