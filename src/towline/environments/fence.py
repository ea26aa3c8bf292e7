"""The fence: nothing is done and no line is written by a holder that may have lost its lock.

Whoever acts on an environment asks the fence first. That is so by construction, at two depths:

- the engine of a host rollout (`fenced`): before each of `ENGINE_ACTS` the lock is read anew;
- the host below it (`hosts/guard.py`), by which engine, retained releases, mounted configuration
  and journal act: a long act, such as stopping three workers in turn, asks again on its way.

The lock lies on the lead. One that not everybody reaches is replaced by force, and its lock still
says yes to whoever reaches it. So each host that is acted on is asked too which one leads.

A process that sleeps does not know it. So the age of a proof is told by a clock that goes on while
the machine sleeps, and that nobody can set back.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from towline.engines.base import Engine
from towline.hosts.guard import guarded
from towline.hosts.waiting import is_transient
from towline.state.lock import Fenced

ENGINE_LOOKS = frozenset(
    {
        "host",
        "commands",
        "images",
        "configuration",
        "ping",
        "requests",
        "usage",
        "wait",
        "describe",
        "prepare",
        "adopt",
        "reads",
        "reader",
        "secret_files",
        "inspect",
        "inspect_host",
        "inspect_claims",
        "inspect_room",
        "inspect_router",
        "observe",
        "forecast",
        "resources",
        "routes",
        "open_on_old_routes",
        "address",
        "failure_reason",
        "logs",
        "registered",
        "router_failure_reason",
        "run_probe",
        "detached",
    }
)
ENGINE_ACTS = (
    "build",
    "reconcile",
    "renew",
    "run_job",
    "stop_jobs",
    "start",
    "stop",
    "destroy",
    "route",
    "pin",
    "register",
    "unregister",
    "reattach",
)

# An act of several parts asks again after so many seconds. Whoever takes a lock needs longer to
# find out what serves before it acts.
_MOMENT = 1.0
# A host that says nothing for so long is not waited for when all are asked.
_PATIENCE = 2.0


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
    _hosts: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    _lost: Fenced | None = None
    _proven: float = float("-inf")
    _agreed: dict[str, float] = field(default_factory=dict)
    _open: dict[str, threading.Thread] = field(default_factory=dict, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def is_lost(self) -> bool:
        """Whether the lock was lost since it was armed last."""
        return self._lost is not None

    @contextmanager
    def armed(
        self, check: Callable[[], None], hosts: Mapping[str, Callable[[], None]] | None = None
    ) -> Iterator[None]:
        """Ask before each act while the body runs.

        Args:
            check: Raises `Fenced` when the lock is lost.
            hosts: Host -> raises `Fenced` when that host knows another lead.
        """
        self._check, self._lost, self._proven = check, None, float("-inf")
        self._hosts, self._agreed, self._open = hosts or {}, {}, {}
        try:
            yield
        finally:
            self._check, self._hosts = None, {}

    def prove(self, age: float = 0.0, host: str = "") -> None:
        """Make sure that the lock is still held.

        Args:
            age: Seconds for which an earlier proof counts.
            host: The host that is to be acted on.

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
            if self._proven < wanted:
                asked = now()
                self._ask(check)
                self._proven = asked
        self._compare(host, age)

    def prove_recently(self, host: str = "") -> None:
        """Make sure that the lock was held a moment ago: for the parts of one act."""
        self.prove(_MOMENT, host)

    def prove_everywhere(self) -> None:
        """Make sure that no host knows another lead; one that says nothing counts for nothing.

        Raises:
            Fenced: When one does.
        """
        if len(self._hosts) < 2:
            return
        # Who still owes an answer is neither asked again nor waited for again.
        self._open = {host: thread for host, thread in self._open.items() if thread.is_alive()}
        asked = {host: self._asking(host) for host in self._hosts if host not in self._open}
        self._open |= asked
        until = time.monotonic() + _PATIENCE
        for thread in asked.values():
            thread.join(max(0.0, until - time.monotonic()))
        if self._lost:
            raise self._lost

    def _asking(self, host: str) -> threading.Thread:
        def ask() -> None:
            with suppress(Exception):
                self._compare(host, 0.0)

        # Of a kind that the end of the process does not wait for, as it does for those of a pool.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        return thread

    def _compare(self, host: str, age: float) -> None:
        look = self._hosts.get(host)
        # Whoever becomes the lead by force needs longer than that, too.
        if look is None or self._agreed.get(host, float("-inf")) >= now() - max(age, _MOMENT):
            return
        asked = now()
        self._ask(look)
        self._agreed[host] = asked

    def _ask(self, question: Callable[[], None]) -> None:
        try:
            question()
        except Fenced as lost:
            self._lost = lost
            raise


def fenced(engine: Engine, fence: Fence, host: str = "") -> Engine:
    """An engine, on a host, that asks the fence right before each act."""
    return guarded(engine, ENGINE_LOOKS, lambda: fence.prove(host=host))


@contextmanager
def if_possible() -> Iterator[None]:
    """Do something whose failure must not keep users waiting; a lost lock is no such failure."""
    try:
        yield
    except Fenced:
        raise
    except Exception as error:
        if not is_transient(error):
            raise
