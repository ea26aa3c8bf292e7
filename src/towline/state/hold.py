"""A hold: no deploy until a person lifts it.

A manual rollback sets one, so that automation does not bring the bad release back at once.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from towline.config.redaction import KNOWN
from towline.errors import CheckFailed
from towline.hosts.base import Files
from towline.state import actor
from towline.state.actor import Actor
from towline.state.releases import StateFolder


@dataclass(frozen=True)
class Hold:
    """Why an environment is held.

    Attributes:
        reason: In the words of whoever set it.
        since: UTC time, ISO 8601.
        actor: Who set it.
    """

    reason: str
    since: str
    actor: Actor

    def __str__(self) -> str:
        return f"{self.reason} ({self.actor}, {self.since[:16]} UTC)"

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "actor": self.actor.data()}


def read(files: Files, state: StateFolder) -> Hold | None:
    """The hold of an environment; None when there is none.

    A file that cannot be read holds too: it was written by someone who wanted that.
    """
    try:
        data = json.loads(files.read(state.hold))
        if all(isinstance(data[name], str) for name in ("reason", "since")):
            datetime.fromisoformat(data["since"])
            # Up to 0.6.0 a file says only user and machine.
            who = data.get("actor") or {"login": data.get("user"), "host": data.get("machine")}
            return Hold(data["reason"], data["since"], actor.read(who))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass  # told below, like a file with wrong types
    return Hold(f"{state.hold} cannot be read", "unknown", Actor())


def put(files: Files, state: StateFolder, reason: str) -> Hold:
    """Hold an environment; for whoever has its lock."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    # Whoever reads it elsewhere may not know what is to be masked.
    hold = Hold(KNOWN.redact(reason), since, actor.current())
    files.write(state.hold, json.dumps(hold.data()).encode(), 0o600)
    return hold


def after_rollback(left: str, reason: str) -> str:
    """Why a rollback holds an environment.

    Args:
        left: The release that was rolled back.
        reason: What the person said.
    """
    return f"rolled back from {left or 'nothing'}" + (f": {reason}" if reason else "")


def lift(files: Files, state: StateFolder) -> Hold | None:
    """Take the hold away, for whoever has the lock; returns it, None when there was none."""
    hold = read(files, state)
    if hold:
        files.remove(state.hold)
    return hold


def refuse(files: Files, state: StateFolder, environment: str) -> None:
    """Refuse to deploy to an environment that is held.

    Raises:
        CheckFailed: When it is.
    """
    hold = read(files, state)
    if hold:
        raise CheckFailed(
            f"{environment} is on hold: {hold}; nothing was changed",
            remedy=f"when that is fixed: `inv hold.lift --env {environment}`, then deploy",
        )
