"""The same work on all hosts at once, and what each of them says."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from towline.errors import TowlineError
from towline.hosts.waiting import is_connection_error
from towline.progress import StepNote
from towline.rollout.host_rollout import CancellationCheck, HostRollout
from towline.state.lock import Fenced


class Cancelled(TowlineError):
    """A host was cancelled because another one failed."""


@dataclass
class HostFailed(Exception):
    """At least one host failed.

    Attributes:
        part: The first that failed by itself.
        error: Why.
        others: What the other hosts say, a line each.
        failed: Each host that failed by itself, and why.
    """

    part: HostRollout
    error: Exception
    others: list[str] = field(default_factory=list)
    failed: list[tuple[HostRollout, Exception]] = field(default_factory=list)

    def __str__(self) -> str:
        return str(self.error)


@dataclass(frozen=True)
class Retreat:
    """What becomes of hosts as soon as another one failed, while some are still at work.

    Attributes:
        act: Done once on each host, when nothing is at work there any more; it must not raise.
        idle: Hosts on which nothing is at work from the beginning.
    """

    act: Callable[[HostRollout], object]
    idle: Sequence[HostRollout] = ()


def on_all(
    parts: Sequence[HostRollout],
    act: Callable[[HostRollout, CancellationCheck], str],
    *,
    at_once: int = 10,
    check_cancelled: Callable[[], None] | None = None,
    together: bool = True,
    retreat: Retreat | None = None,
) -> list[str]:
    """Do something on every host; returns their figures in the order of the hosts.

    When one fails, those that wait stop waiting. All are waited for, so that nothing is at work
    any more when the error is raised.

    Args:
        parts: The hosts.
        act: What to do; what takes long calls the function that it gets.
        at_once: Hosts that work at the same time.
        check_cancelled: Asked in every wait of a host; raises when the operation is to stop.
        together: Whether the others stop when one fails.
        retreat: What becomes of the others then; a host that is lost must not hold them back.

    Raises:
        HostFailed: When at least one failed.
    """
    stop = threading.Event()

    def guarded() -> None:
        if stop.is_set():
            raise Cancelled("cancelled, because another host failed")
        if check_cancelled:
            check_cancelled()

    def work(part: HostRollout) -> str | Exception:
        try:
            return act(part, guarded)
        except Exception as error:
            if together:
                stop.set()
            return error

    if len(parts) == 1 and not (retreat and retreat.idle):
        outcomes = [work(parts[0])]
    else:
        outcomes = _at_once(parts, work, max(1, min(at_once, len(parts))), stop, retreat)
    failed = [
        (part, outcome)
        for part, outcome in zip(parts, outcomes, strict=True)
        if isinstance(outcome, Exception)
    ]
    if failed:
        raise _failure(parts, outcomes, failed)
    return [str(outcome) for outcome in outcomes]


def _at_once(
    parts: Sequence[HostRollout],
    work: Callable[[HostRollout], str | Exception],
    workers: int,
    stop: threading.Event,
    retreat: Retreat | None,
) -> list[str | Exception]:
    idle = list(retreat.idle) if retreat else []
    going_back = ThreadPoolExecutor(max_workers=len(parts) + len(idle))
    with going_back, ThreadPoolExecutor(max_workers=workers) as pool:
        begun = {pool.submit(work, part): part for part in parts}
        for done in as_completed(begun):
            outcome = done.result()
            # One that is lost would only be waited for once more.
            if not (isinstance(outcome, Exception) and is_connection_error(outcome)):
                idle.append(begun[done])
            if retreat and stop.is_set():
                for part in idle:
                    going_back.submit(retreat.act, part)
                idle.clear()
        return [done.result() for done in begun]


def summarize(parts: Sequence[HostRollout], notes: Sequence[str]) -> str:
    """The figures of all hosts in one line; of one host as they are."""
    if len(parts) == 1:
        return notes[0]
    rows = (f"{name}: {note}" for name, note in _rows(parts, notes))
    return "; ".join([f"{len(parts)} hosts", *rows])


def annotate(note: StepNote, parts: Sequence[HostRollout], notes: Sequence[str]) -> None:
    """Show the figures of all hosts, each on a line of its own; of one host beside the step."""
    if len(parts) == 1:
        note.text = notes[0]
    else:
        note.text, note.hosts = f"{len(parts)} hosts", _rows(parts, notes)


def _rows(parts: Sequence[HostRollout], notes: Sequence[str]) -> list[tuple[str, str]]:
    """Host and figures, of the hosts that have some."""
    return [(part.name, note) for part, note in zip(parts, notes, strict=True) if note]


def _failure(
    parts: Sequence[HostRollout],
    outcomes: Sequence[str | Exception],
    failed: Sequence[tuple[HostRollout, Exception]],
) -> HostFailed:
    own = [pair for pair in failed if not isinstance(pair[1], Cancelled)] or list(failed)
    # That the lock was lost counts for all hosts, whatever else went wrong on some.
    part, error = next((pair for pair in own if isinstance(pair[1], Fenced)), own[0])
    others = []
    for other, outcome in zip(parts, outcomes, strict=True):
        if other is not part:
            redact = other.site.redactor.redact
            said = f"failed: {redact(str(outcome))}" if isinstance(outcome, Exception) else "passed"
            others.append(f"{other.name} {'cancelled' if isinstance(outcome, Cancelled) else said}")
    return HostFailed(part, error, others, own)
