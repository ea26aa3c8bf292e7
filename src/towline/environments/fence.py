"""The fence: nothing is done and no line is written by a holder that may have lost its lock.

Whoever acts on an environment asks the fence first. That is so by construction, at two depths:

- the engine of a host rollout (`fenced`): before each of `ENGINE_ACTS` the lock is read anew;
- the host below it (`hosts/guard.py`), by which engine, retained releases, mounted configuration
  and journal act: a long act, such as stopping three workers in turn, asks again on its way.

A process that sleeps does not know it. So the age of a proof is told by a clock that goes on while
the machine sleeps, and that nobody can set back.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from towline.engines.base import Engine
from towline.hosts.guard import guarded
from towline.hosts.waiting import may_pass
from towline.state.lock import Fenced

ENGINE_LOOKS = frozenset(
    {
        "host",
        "wait",
        "observe",
        "forecast",
        "routes",
        "open_on_old_routes",
        "missing_images",
        "address",
        "trouble",
        "logs",
        "registered",
        "user_id",
        "router_trouble",
        "detached",
    }
)
ENGINE_ACTS = (
    "settle",
    "renew",
    "run_job",
    "stop_jobs",
    "start",
    "stop",
    "route",
    "remove_image",
    "register",
    "unregister",
    "reattach",
)

# An act of several parts asks again after so many seconds. Whoever takes a lock needs longer to
# find out what serves before it acts.
_MOMENT = 1.0


def now() -> float:
    """Seconds on a clock that counts sleep, and that cannot be set."""
    # Only Linux has it; elsewhere the monotonic clock is the nearest.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass
class Fence:
    """Whether whoever works on an environment still may; all its hosts share one.

    Until it is armed nobody is asked: what only looks at an environment holds no lock.
    """

    _check: Callable[[], None] | None = None
    _lost: Fenced | None = None
    _proven: float = float("-inf")
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def armed(self, check: Callable[[], None]) -> Iterator[None]:
        """Ask `check` before each act while the body runs; it raises `Fenced` when all is lost."""
        self._check, self._lost, self._proven = check, None, float("-inf")
        try:
            yield
        finally:
            self._check = None

    def prove(self, age: float = 0.0) -> None:
        """Make sure that the lock is still held.

        Args:
            age: Seconds for which an earlier proof counts.

        Raises:
            Fenced: When it is not, or when nobody could say so. From then on always.
        """
        check, wanted = self._check, now() - age
        if check is None:
            return
        # Hosts that ask at the same time share an answer to a question asked after they came.
        with self._turn:
            if self._lost:
                raise self._lost
            if self._proven >= wanted:
                return
            asked = now()
            try:
                check()
            except Fenced as lost:
                self._lost = lost
                raise
            self._proven = asked

    def prove_recently(self) -> None:
        """Make sure that the lock was held a moment ago: for the parts of one act."""
        self.prove(_MOMENT)


def fenced(engine: Engine, fence: Fence) -> Engine:
    """An engine that asks the fence right before each act."""
    return guarded(engine, ENGINE_LOOKS, fence.prove)


@contextmanager
def if_possible() -> Iterator[None]:
    """Do something whose failure must not keep users waiting; a lost lock is no such failure."""
    try:
        yield
    except Fenced:
        raise
    except Exception as error:
        if not may_pass(error):
            raise
