"""The lock file: who holds the lock, and a count that grows while the holder lives."""

import getpass
import json
import math
import os
import socket
import uuid
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from towline.hosts.base import Files
from towline.process_identity import here, is_dead

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

    def __str__(self) -> str:
        return f"{self.user} on {self.machine}: {self.operation}"

    @property
    def is_dead(self) -> bool:
        """Whether it is known to be dead: a process of this machine that ended, or nobody."""
        return not self.token or is_dead(self.where, self.pid)

    def content(self) -> bytes:
        """What the file holds."""
        return json.dumps(asdict(self)).encode()


# Not written by us, or torn: it names nobody, so nobody can renew it.
NOBODY = Holder("", "unknown", "unknown", 0, "unknown", "unknown")
_TEXTS = ("token", "user", "machine", "operation", "since", "where")


def this_process(operation: str, lease: float) -> Holder:
    """A new holder: this process."""
    return Holder(
        token=uuid.uuid4().hex,
        user=getpass.getuser(),
        machine=socket.gethostname(),
        pid=os.getpid(),
        operation=operation,
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        where=here(),
        lease=lease,
        beat=0,
    )


def read(files: Files, path: Path) -> Holder | None:
    """Who holds the lock now; None when nobody does."""
    try:
        data = json.loads(files.read(path))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return NOBODY
    names = [item.name for item in fields(Holder)]
    try:
        holder = Holder(**{name: data[name] for name in names if name in data})
    except TypeError:
        return NOBODY
    return holder if _is_sound(holder) else NOBODY


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
