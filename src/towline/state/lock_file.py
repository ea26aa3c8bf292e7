"""The lock file: who holds the lock, and a count that grows while the holder lives."""

import json
import math
import os
import uuid
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from towline.hosts.base import Files
from towline.process_identity import here, is_dead
from towline.state import actor
from towline.state.actor import Actor

# A file may say anything; nobody is waited for longer than that.
_LONGEST_LEASE = 600.0
_LARGEST = 1 << 31


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        since: UTC time, ISO 8601.
        where: Where the process number counts; see `process_identity.here`.
        lease: Seconds after the last renewal for which the lock is the holder's.
        fence: Number of the holder; each one's is higher than all before.
        beat: Grows with each renewal; below zero in files of earlier versions, which only write
            the file again.
        took_over: Whose lock it was before, and for what; empty where it was free.
        actor: Who it is, with all that is known; `user` and `machine` are for earlier versions.
    """

    token: str
    user: str
    machine: str
    pid: int
    operation: str
    since: str
    where: str = ""
    lease: float = 60.0
    fence: int = 0
    beat: int = -1
    took_over: str = ""
    actor: Actor = field(default_factory=Actor)

    def __str__(self) -> str:
        return f"{self.actor}: {self.operation}"

    @property
    def is_dead(self) -> bool:
        """Whether it is known to be dead: a process of this machine that ended, or nobody."""
        return not self.token or is_dead(self.where, self.pid)

    def content(self) -> bytes:
        """What the file holds."""
        return json.dumps({**asdict(self), "actor": self.actor.data()}).encode()


# Not written by us, or torn: it names nobody, so nobody can renew it.
NOBODY = Holder("", "unknown", "unknown", 0, "unknown", "unknown")
_TEXTS = ("token", "user", "machine", "operation", "since", "where", "took_over")


def this_process(operation: str, lease: float) -> Holder:
    """A new holder: this process."""
    own = actor.current()
    return Holder(
        token=uuid.uuid4().hex,
        user=own.login,
        machine=own.host,
        pid=os.getpid(),
        operation=operation,
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        where=here(),
        lease=lease,
        beat=0,
        actor=own,
    )


def read(files: Files, path: Path) -> Holder | None:
    """Who holds the lock now; None when nobody does."""
    try:
        data = json.loads(files.read(path))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return NOBODY
    names = [item.name for item in fields(Holder) if item.name != "actor"]
    try:
        holder = Holder(**{name: data[name] for name in names if name in data})
    except TypeError:
        return NOBODY
    return replace(holder, actor=_actor(holder, data)) if _is_sound(holder) else NOBODY


def _actor(holder: Holder, data: Any) -> Actor:
    """Who it is; up to 0.6.0 a file says only user and machine."""
    found = actor.read(data.get("actor"))
    return found if found.data() else Actor(login=holder.user, host=holder.machine)


def _is_sound(holder: Holder) -> bool:
    numbers = (holder.pid, holder.fence, holder.beat)
    texts = all(isinstance(getattr(holder, name), str) for name in _TEXTS)
    whole = all(isinstance(number, int) and abs(number) < _LARGEST for number in numbers)
    lease = holder.lease
    timed = (
        isinstance(lease, int | float) and math.isfinite(lease) and 0.0 < lease <= _LONGEST_LEASE
    )
    # A claim is named after the token; a process number below one means a whole group.
    return texts and whole and timed and holder.pid > 0 and holder.token.isalnum()
