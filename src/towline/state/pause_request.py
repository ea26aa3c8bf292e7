"""A request that a running deploy pauses: a file that its executor looks at between stages.

Whoever asks does not hold the lock, since the deploy does. A request names the operation that it is
for, so that one that came too late stops nobody.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from towline.config.redaction import KNOWN
from towline.hosts.base import Files
from towline.state import actor
from towline.state.actor import Actor
from towline.state.releases import StateFolder


@dataclass(frozen=True)
class PauseRequest:
    """Somebody wants a deploy to pause.

    Attributes:
        operation: The deploy's identifier in the journal.
        reason: In the words of whoever asks.
        since: UTC time, ISO 8601.
        actor: Who asks.
    """

    operation: str
    reason: str
    since: str
    actor: Actor


def put(files: Files, state: StateFolder, operation: str, reason: str) -> PauseRequest:
    """Ask an operation to pause."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    asked = PauseRequest(operation, KNOWN.redact(reason), since, actor.current())
    data = {"operation": operation, "reason": asked.reason, "since": since}
    text = json.dumps({**data, "actor": asked.actor.data()})
    files.write(state.pause_request, text.encode(), 0o600)
    return asked


def read(files: Files, state: StateFolder, operation: str) -> PauseRequest | None:
    """What was asked of an operation; None when nothing was, or another one was asked."""
    try:
        data = json.loads(files.read(state.pause_request))
        if data["operation"] != operation:
            return None
        who = actor.read(data["actor"])
        return PauseRequest(operation, str(data["reason"]), str(data["since"]), who)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        # Half a request is one: a pause is harmless, and a step too far may not be.
        return PauseRequest(operation, "", "", Actor())


def remove(files: Files, state: StateFolder) -> None:
    """Take a request away: it was answered, or came too late."""
    files.remove(state.pause_request)
