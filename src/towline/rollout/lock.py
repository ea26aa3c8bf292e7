"""One operation at a time on an environment: a lock file with a lease.

The holder renews the lease while it works; a lock whose lease ran out belongs to nobody, so a
killed deployer never blocks the next one for longer than `LEASE` seconds. The host's clock says
how old it is: those of two laptops may differ by more than that.

Each holder gets a number above all before (a fencing token). One that slept past its lease, while
another took the lock, finds a higher number when it wakes, and does nothing any more.
"""

import getpass
import json
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from towline.errors import Locked, TowlineError
from towline.hosts.base import Files
from towline.hosts.waiting import may_pass
from towline.process_identity import here, is_dead

LEASE = 60.0
_RENEW = 15.0
_CLAIM = 10.0
_POLL = 0.1
# Between two questions to a host that does not answer.
_ASK_AGAIN = 0.5


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        since: UTC time, ISO 8601.
        where: Where the process number counts; see `process_identity.here`.
        lease: Seconds after the last renewal for which the lock is the holder's.
        fence: Number of the holder; each one's is higher than all before.
    """

    token: str
    user: str
    machine: str
    pid: int
    operation: str
    since: str
    where: str = ""
    lease: float = LEASE
    fence: int = 0


_FIELDS = [item.name for item in fields(Holder)]


def read(files: Files, path: Path) -> Holder | None:
    """Who holds the lock now; None when nobody does."""
    try:
        data = json.loads(files.read(path))
        return Holder(**{name: data[name] for name in _FIELDS if name in data})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        # Not written by us, or torn: it names nobody, so nobody can renew it.
        return Holder("", "unknown", "unknown", 0, "unknown", "", lease=-math.inf)


def expired(files: Files, path: Path, holder: Holder) -> bool:
    """Whether a holder's lease ran out, or it is a dead process of this machine."""
    if is_dead(holder.where, holder.pid):
        return True
    try:
        return files.age(path) > holder.lease
    except FileNotFoundError:
        return True


def living(files: Files, path: Path) -> Holder | None:
    """Who holds the lock and is at work; None when nobody is."""
    holder = read(files, path)
    return holder if holder and not expired(files, path, holder) else None


class Fenced(Locked):
    """The lock was lost while the holder slept; someone else is at work."""


class Unproven(Fenced):
    """Nobody could say whether the lock is still ours: the host gives no answer.

    It stops whatever a lost lock stops: what cannot be proven must not be acted upon.
    """


def check(files: Files, path: Path, holder: Holder, *, limit: float = LEASE) -> None:
    """Make sure that a holder may still act.

    A host that does not answer says neither yes nor no: it is asked again until it does.

    Args:
        files: The host's files.
        path: The lock.
        holder: Who wants to act.
        limit: Seconds for which the host is asked.

    Raises:
        Fenced: When the lock is somebody else's, or was.
        Unproven: When the host did not answer within the limit.
    """
    ends = time.monotonic() + limit
    while True:
        try:
            current = read(files, path)
            last = last_fence(files, path)
            break
        except Exception as error:
            # What a connection says that breaks is one of many things; a bug of ours is none.
            if not may_pass(error):
                raise
            if time.monotonic() >= ends:
                raise Unproven(
                    f"the host does not say who holds the lock ({error}); nothing more was done",
                    remedy="check the network, look at `inv status`, and run the command again",
                ) from error
            time.sleep(_ASK_AGAIN)
    if current and current.token == holder.token and last <= holder.fence:
        return
    who = f"{current.user} on {current.machine}: {current.operation}" if current else "it was freed"
    raise Fenced(
        f"the lock was lost meanwhile ({who}); nothing more was done",
        remedy="look at `inv status`, and run the command again",
    )


def free(files: Files, path: Path, holder: Holder) -> bool:
    """Take a lock away from its holder; False when it is somebody else's by now."""
    current = read(files, path)
    if current is None or current.token != holder.token:
        return False
    files.remove(path)
    return True


@contextmanager
def held(files: Files, path: Path, operation: str, *, wait: float = 0.0) -> Iterator[Holder]:
    """Hold the lock while the body runs.

    Args:
        files: The host's files.
        path: The lock.
        operation: What it is for, for others to read.
        wait: Seconds to wait for another holder to end.

    Raises:
        Locked: When someone else holds it, for longer than that.
    """
    holder = _taken(files, path, operation, wait)
    stop = threading.Event()
    renewal = threading.Thread(target=_renew, args=(files, path, holder, stop), daemon=True)
    renewal.start()
    try:
        yield holder
    finally:
        stop.set()
        renewal.join()
        # Where the host is lost, what happened must be said, and the lease frees the lock.
        with suppress(OSError, TowlineError):
            free(files, path, holder)


def _taken(files: Files, path: Path, operation: str, wait: float) -> Holder:
    ends = time.monotonic() + wait
    while True:
        try:
            holder = _take(files, path, operation)
        except Locked:
            if time.monotonic() >= ends:
                raise
            time.sleep(_POLL)
            continue
        # Under the lock nobody else counts.
        numbered = replace(holder, fence=last_fence(files, path) + 1)
        files.write(_fence_path(path), f"{numbered.fence}\n".encode(), 0o600)
        files.write(path, json.dumps(asdict(numbered)).encode(), 0o600)
        return numbered


def _fence_path(path: Path) -> Path:
    return path.with_name("fence")


def last_fence(files: Files, path: Path) -> int:
    """The number of the last holder."""
    try:
        return int(files.read(_fence_path(path)))
    except (FileNotFoundError, ValueError):
        return 0


def number_above(files: Files, path: Path, least: int) -> None:
    """Let the next holder's number be above `least`: the lock goes on from another host's."""
    if last_fence(files, path) < least:
        files.write(_fence_path(path), f"{least}\n".encode(), 0o600)


def _take(files: Files, path: Path, operation: str) -> Holder:
    holder = Holder(
        token=uuid.uuid4().hex,
        user=getpass.getuser(),
        machine=socket.gethostname(),
        pid=os.getpid(),
        operation=operation,
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        where=here(),
        lease=LEASE,
    )
    content = json.dumps(asdict(holder)).encode()
    for _ in range(3):
        if files.create(path, content):
            return holder
        current = read(files, path)
        if current is None:
            continue
        if not expired(files, path, current):
            raise _locked(current)
        if _take_over(files, path, current, content):
            return holder
    raise Locked(f"{path} is being taken by someone else", remedy="run the command again")


def _take_over(files: Files, path: Path, old: Holder, content: bytes) -> bool:
    """Replace an expired lock. Of many takers one creates the claim named after that very lock."""
    claim = path.with_name(f"{path.name}.claim-{old.token or 'torn'}")
    if not files.create(claim, b""):
        with suppress(FileNotFoundError):
            if files.age(claim) > _CLAIM:
                files.remove(claim)  # its maker died; the next try may claim again
        return False
    try:
        current = read(files, path)
        # Someone who claimed before us may have finished in between.
        if current is None or current.token != old.token:
            return False
        files.write(path, content, 0o600)
    finally:
        files.remove(claim)
    return True


def _locked(holder: Holder) -> Locked:
    return Locked(
        f"{holder.user} on {holder.machine} is at work here: {holder.operation} "
        f"(since {holder.since}, process {holder.pid})",
        remedy=f"wait for it (--wait 5m); a dead one frees itself within {LEASE:.0f} s; "
        "`inv unlock` takes it away",
    )


def _renew(files: Files, path: Path, holder: Holder, stop: threading.Event) -> None:
    while not stop.wait(_RENEW):
        with suppress(OSError, TowlineError):
            current = read(files, path)
            if current is None or current.token != holder.token:
                return
            files.write(path, json.dumps(asdict(holder)).encode(), 0o600)
