"""The same work on all hosts at once, and what each of them says."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from towline.errors import TowlineError
from towline.hosts.waiting import cut
from towline.progress import StepNote
from towline.rollout.lane import Lane
from towline.state.lock import Fenced


class Halted(TowlineError):
    """A host stopped because another one failed."""


@dataclass
class HostFailed(Exception):
    """At least one host failed.

    Attributes:
        lane: The first that failed by itself.
        error: Why.
        others: What the other hosts say, a line each.
        failed: Each host that failed by itself, and why.
    """

    lane: Lane
    error: Exception
    others: list[str] = field(default_factory=list)
    failed: list[tuple[Lane, Exception]] = field(default_factory=list)

    def __str__(self) -> str:
        return str(self.error)


@dataclass(frozen=True)
class Retreat:
    """What becomes of hosts as soon as another one failed, while some are still at work.

    Attributes:
        act: Done once on each host, when nothing is at work there any more; it must not raise.
        idle: Hosts on which nothing is at work from the beginning.
    """

    act: Callable[[Lane], object]
    idle: Sequence[Lane] = ()


def on_all(
    lanes: Sequence[Lane],
    act: Callable[[Lane], str],
    *,
    at_once: int = 10,
    tick: Callable[[], None] | None = None,
    together: bool = True,
    retreat: Retreat | None = None,
) -> list[str]:
    """Do something on every host; returns their figures in the order of the hosts.

    When one fails, those that wait stop waiting. All are waited for, so that nothing is at work
    any more when the error is raised.

    Args:
        lanes: The hosts.
        act: What to do.
        at_once: Hosts that work at the same time.
        tick: Asked in every wait of a host; raises when the operation is to stop.
        together: Whether the others stop when one fails.
        retreat: What becomes of the others then; a host that is lost must not hold them back.

    Raises:
        HostFailed: When at least one failed.
    """
    stop = threading.Event()

    def guarded() -> None:
        if stop.is_set():
            raise Halted("stopped, because another host failed")
        if tick:
            tick()

    def work(lane: Lane) -> str | Exception:
        lane.tick = guarded
        try:
            return act(lane)
        except Exception as error:
            if together:
                stop.set()
            return error

    if len(lanes) == 1 and not (retreat and retreat.idle):
        outcomes = [work(lanes[0])]
    else:
        outcomes = _at_once(lanes, work, max(1, min(at_once, len(lanes))), stop, retreat)
    failed = [
        (lane, outcome)
        for lane, outcome in zip(lanes, outcomes, strict=True)
        if isinstance(outcome, Exception)
    ]
    if failed:
        raise _failure(lanes, outcomes, failed)
    return [str(outcome) for outcome in outcomes]


def _at_once(
    lanes: Sequence[Lane],
    work: Callable[[Lane], str | Exception],
    workers: int,
    stop: threading.Event,
    retreat: Retreat | None,
) -> list[str | Exception]:
    idle = list(retreat.idle) if retreat else []
    going_back = ThreadPoolExecutor(max_workers=len(lanes) + len(idle))
    with going_back, ThreadPoolExecutor(max_workers=workers) as pool:
        begun = {pool.submit(work, lane): lane for lane in lanes}
        for done in as_completed(begun):
            outcome = done.result()
            # One that is lost would only be waited for once more.
            if not (isinstance(outcome, Exception) and cut(outcome)):
                idle.append(begun[done])
            if retreat and stop.is_set():
                for lane in idle:
                    going_back.submit(retreat.act, lane)
                idle.clear()
        return [done.result() for done in begun]


def told(lanes: Sequence[Lane], notes: Sequence[str]) -> str:
    """The figures of all hosts in one line; of one host as they are."""
    if len(lanes) == 1:
        return notes[0]
    rows = (f"{name}: {note}" for name, note in _rows(lanes, notes))
    return "; ".join([f"{len(lanes)} hosts", *rows])


def fill(note: StepNote, lanes: Sequence[Lane], notes: Sequence[str]) -> None:
    """Show the figures of all hosts, each on a line of its own; of one host beside the step."""
    if len(lanes) == 1:
        note.text = notes[0]
    else:
        note.text, note.hosts = f"{len(lanes)} hosts", _rows(lanes, notes)


def _rows(lanes: Sequence[Lane], notes: Sequence[str]) -> list[tuple[str, str]]:
    """Host and figures, of the hosts that have some."""
    return [(lane.name, note) for lane, note in zip(lanes, notes, strict=True) if note]


def _failure(
    lanes: Sequence[Lane],
    outcomes: Sequence[str | Exception],
    failed: Sequence[tuple[Lane, Exception]],
) -> HostFailed:
    own = [pair for pair in failed if not isinstance(pair[1], Halted)] or list(failed)
    # That the lock was lost counts for all hosts, whatever else went wrong on some.
    lane, error = next((pair for pair in own if isinstance(pair[1], Fenced)), own[0])
    others = []
    for other, outcome in zip(lanes, outcomes, strict=True):
        if other is not lane:
            redact = other.site.redactor.redact
            said = f"failed: {redact(str(outcome))}" if isinstance(outcome, Exception) else "passed"
            others.append(f"{other.name} {'stopped' if isinstance(outcome, Halted) else said}")
    return HostFailed(lane, error, others, own)
