"""One operation at a time on an environment: a lock file with a lease.

The holder renews the lock while it works; one that is not renewed for a lease belongs to nobody, so
a killed deployer blocks the next one for no longer than that (`takeover.py`).

Each holder gets a number above all before (a fencing token). One that slept past its lease, while
another took the lock, finds a higher number when it wakes, and does nothing any more.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from towline.errors import Locked, TowlineError
from towline.hosts.base import Files
from towline.hosts.waiting import is_transient
from towline.state.lock_file import Holder, read, this_process
from towline.state.takeover import Watch, looks_alive

__all__ = ["LEASE", "Fenced", "Holder", "Unproven", "check", "free", "held", "last_fence",
           "living", "locked", "looks_alive", "number_above", "read"]  # fmt: skip

# Seconds; each fourth part of it the lock is renewed.
LEASE = 60.0
# Between two looks; somebody waits. A host that refuses connections does not feel them.
_POLL = 0.1
# Seconds; whoever takes a lock at the same time and dies blocks others for less.
_FORCED = 15.0


def silent(_: str) -> None:
    """Nobody is told."""


def living(files: Files, path: Path) -> Holder | None:
    """Who holds the lock and seems to be alive; None when nobody does."""
    holder = read(files, path)
    return holder if holder and looks_alive(files, path, holder) else None


class Fenced(Locked):
    """The lock was lost while the holder slept; someone else is running an operation."""


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
            if not is_transient(error):
                raise
            if time.monotonic() >= ends:
                raise Unproven(
                    f"the host does not say who holds the lock ({error}); nothing more was done",
                    remedy="check the network, look at `inv status`, and run the command again",
                ) from error
            time.sleep(_POLL)
    if current and current.token == holder.token and last <= holder.fence:
        return
    who = current or "it was freed"
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
def held(
    files: Files,
    path: Path,
    operation: str,
    *,
    wait: float = 0.0,
    say: Callable[[str], None] = silent,
    instead_of: Holder | None = None,
) -> Iterator[Holder]:
    """Hold the lock while the body runs.

    A lock that looks stale is watched for a lease before it is taken over, whatever `wait` says.

    Args:
        files: The host's files.
        path: The lock.
        operation: What it is for, for others to read.
        wait: Seconds to wait for another holder to end.
        say: Told whom it waits for.
        instead_of: Whose lock it is to be taken from by force, stale or not.

    Raises:
        Locked: When someone else holds it, for longer than that.
    """
    own = this_process(operation, LEASE)
    holder = (
        _forced(files, path, own, instead_of) if instead_of else _taken(files, path, own, wait, say)
    )
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


def _taken(
    files: Files, path: Path, holder: Holder, wait: float, say: Callable[[str], None]
) -> Holder:
    before = _take(files, path, holder, wait, say)
    return _numbered(files, path, holder, before)


def _forced(files: Files, path: Path, holder: Holder, old: Holder) -> Holder:
    """Take a lock from its holder; Locked when it is somebody else's by now."""
    watch, ends = Watch(files, path), time.monotonic() + _FORCED
    while True:
        current = read(files, path)
        if current is None or current.token != old.token:
            raise locked(current) if current else Locked("nobody holds the lock any more")
        # Between two looks the holder may have renewed it.
        if watch.take_over(current, holder.content()):
            return _numbered(files, path, holder, current)
        if time.monotonic() >= ends:
            raise locked(current)
        time.sleep(_POLL)


def _numbered(files: Files, path: Path, holder: Holder, before: Holder | None) -> Holder:
    try:
        # Under the lock nobody else counts.
        fence = last_fence(files, path) + 1
        numbered = replace(holder, fence=fence, took_over=str(before) if before else "")
        files.write(_fence_path(path), f"{numbered.fence}\n".encode(), 0o600)
        files.write(path, numbered.content(), 0o600)
    except BaseException:
        # Nobody renews it from here, and nobody else frees it.
        with suppress(OSError, TowlineError):
            free(files, path, holder)
        raise
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


def _take(
    files: Files, path: Path, holder: Holder, wait: float, say: Callable[[str], None]
) -> Holder | None:
    """Take the lock; returns whose stale lock was taken over, if one was."""
    ends, watch, told = time.monotonic() + wait, Watch(files, path), ""
    while not files.create(path, holder.content()):
        look = watch.look()
        while look.holder is not None:
            if look.stale and watch.take_over(look.holder, holder.content()):
                return look.holder
            alive = look.renewed or looks_alive(files, path, look.holder)
            if alive and time.monotonic() >= ends:
                raise locked(look.holder)
            if told != look.holder.token:
                told = look.holder.token
                say(_waiting(look.holder, alive=alive))
            time.sleep(min(_POLL, look.holder.lease / 20))
            look = watch.look()
    return None


def _waiting(holder: Holder, *, alive: bool) -> str:
    if alive:
        return f"waiting for {holder} (lock held since {holder.since})"
    return (
        f"the lock of {holder} looks stale; it is taken over unless it is renewed within "
        f"{holder.lease:.0f} s"
    )


def locked(holder: Holder) -> Locked:
    """The error that says who holds the lock."""
    return Locked(
        f"{holder.actor} is running {holder.operation} "
        f"(lock held since {holder.since}, process {holder.pid})",
        details=[f"see {holder.actor.url}"] if holder.actor.url else [],
        remedy="wait for it (`inv deploy`, `deploy.resume`, `deploy.abort` and `hold` take --wait "
        f"5m); a stale lock expires after {holder.lease:.0f} s; `inv unlock` force-unlocks",
    )


def _renew(files: Files, path: Path, holder: Holder, stop: threading.Event) -> None:
    beat = holder.beat
    while not stop.wait(holder.lease / 4):
        with suppress(OSError, TowlineError):
            current = read(files, path)
            if current is None or current.token != holder.token:
                return
            beat += 1
            files.write(path, replace(holder, beat=beat).content(), 0o600)
