"""The operations of an environment, read from its journal."""

from datetime import datetime
from itertools import islice

from towline.config.redaction import excerpt
from towline.config.units import format_duration
from towline.environments.site import Fleet, Site
from towline.errors import TowlineError
from towline.rollout.repair import find_damage
from towline.state.journal import Entry

_SHOWN = 300


def operations(site: Site, *, last: int) -> list[dict[str, str]]:
    """The last operations, newest first, a row each; what cannot be read is left out."""
    return [_row(entries) for entries in islice(site.journal.recent(), last)]


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


def _row(entries: list[Entry]) -> dict[str, str]:
    begin, final = entries[0]["data"], entries[-1]
    if entries[0]["event"] == "note":
        return _note(entries[0])
    if final["event"] != "end":
        result, reason = "interrupted", f"at step {final['step'] or 'begin'}"
    elif final["data"].get("ok"):
        result, reason = "ok", begin.get("reason", "")
    else:
        result = "rolled back" if final["data"].get("rolled_back") else "failed"
        reason = final["data"].get("error", "")
    took = datetime.fromisoformat(final["at"]) - datetime.fromisoformat(entries[0]["at"])
    return {
        "result": result,
        "operation": str(begin.get("kind", "")),
        "release": str(begin.get("release", "")),
        "from": str(begin.get("live", "")),
        "at": entries[0]["at"][:19].replace("T", " "),
        "took": format_duration(max(0.0, took.total_seconds())),
        # A page that a probe was answered, perhaps; all of it is in the journal.
        "reason": excerpt(str(reason), _SHOWN),
    }


def _note(entry: Entry) -> dict[str, str]:
    """Something that was written down by itself, such as another lead."""
    said = ", ".join(
        f"{name} {value}" for name, value in entry["data"].items() if value and name != "replaces"
    )
    return {
        "result": "note",
        "operation": entry["step"],
        "release": "",
        "from": "",
        "at": entry["at"][:19].replace("T", " "),
        "took": "",
        "reason": said,
    }
