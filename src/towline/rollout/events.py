"""What the executor tells while it works, and those who listen.

A listener has no say: each is told on a thread of its own, so that one that fails or hangs costs an
operation nothing but a moment at its end. The journal is no such listener: the executor writes it
itself, before the act, and does nothing that could not be written down.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field

from towline.discovery import find_modules
from towline.progress import Progress, StepNote

# Seconds that listeners may take, all together, once an operation has ended.
PATIENCE = 3.0
_PACKAGE = "towline.rollout.listeners"


@dataclass(frozen=True)
class Begun:
    """An operation began.

    Attributes:
        operation: Its identifier in the journal.
        kind: `deploy`, `rollback` and so on.
        live: The release that serves now; empty when none does.
        reason: Why somebody asked for it.
    """

    operation: str
    kind: str
    project: str
    environment: str
    release: str
    live: str
    strategy: str
    hosts: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class StepBegun:
    """A step began."""

    name: str
    title: str


@dataclass(frozen=True)
class StepEnded:
    """A step ended.

    Attributes:
        error: Why it failed; empty when it did not.
        text: Its figures.
        hosts: Figures of each host, where there are several: name and text.
    """

    name: str
    title: str
    seconds: float
    error: str = ""
    text: str = ""
    hosts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Said:
    """A line in the middle of a step."""

    text: str


@dataclass(frozen=True)
class Ended:
    """An operation ended.

    Attributes:
        error: Why it failed; empty when it did not.
        exit_code: What the command ends with; see `errors`.
        paused: Where it waits for a person now, such as `at 10 % of traffic, after step canary-10`;
            empty when it has come to its end.
    """

    exit_code: int = 0
    error: str = ""
    paused: str = ""


@dataclass(frozen=True)
class Alert:
    """A trigger of the guard fired, and this was decided; a rollback is told as an operation too.

    Attributes:
        release: The release that serves.
        trigger: Which trigger, and `text` why it fired, with figures.
        decision: `rollback`, `hold`, `notify`, `failed` or `recovered`.
        why: Why not what the configuration asks for, and what a person has to do; may be empty.
    """

    project: str
    environment: str
    release: str
    trigger: str
    text: str
    decision: str
    why: str = ""


Event = Begun | StepBegun | StepEnded | Said | Ended | Alert
Listener = Callable[[Event], None]


def find_listeners() -> list[Listener]:
    """The listeners of `listeners/`: what each module's `listen` returns, unless that is None."""
    found = (module.listen() for module in find_modules(_PACKAGE).values())
    return [listener for listener in found if listener]


@dataclass
class Terminal:
    """Shows an operation to the person who waits."""

    progress: Progress
    _shown: AbstractContextManager[StepNote] | None = None
    _note: StepNote = field(default_factory=StepNote)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, StepBegun):
            self._shown = self.progress.step(event.title)
            self._note = self._shown.__enter__()
        elif isinstance(event, StepEnded) and self._shown:
            shown, self._shown = self._shown, None
            self._note.text, self._note.hosts = event.text, list(event.hosts)
            failed = RuntimeError(event.error) if event.error else None
            with suppress(RuntimeError):
                shown.__exit__(type(failed) if failed else None, failed, None)
        elif isinstance(event, Said):
            self.progress.say(event.text)


class Events:
    """Tells listeners what happens, in order; it never waits for one, but at the end.

    Args:
        listeners: Who is told.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners
        # Of a kind that a signal handler may put something into.
        self._queues: list[queue.SimpleQueue[Event | None]] = []
        self._threads: list[threading.Thread] = []

    def open(self) -> None:
        """Let listeners listen; before that nobody is told."""
        for listener in self._listeners:
            waiting: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
            thread = threading.Thread(target=_serve, args=(listener, waiting), daemon=True)
            self._queues.append(waiting)
            self._threads.append(thread)
            thread.start()

    def tell(self, event: Event) -> None:
        """Tell an event; returns at once."""
        for waiting in self._queues:
            waiting.put(event)

    def say(self, text: str) -> None:
        """Tell a line in the middle of a step."""
        self.tell(Said(text))

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[StepNote]:
        """Tell when a step begins, and how it ended."""
        self.tell(StepBegun(name, title))
        note, started = StepNote(), time.monotonic()

        def ended(error: str) -> StepEnded:
            took = time.monotonic() - started
            return StepEnded(name, title, took, error, note.text, tuple(note.hosts))

        try:
            yield note
        except BaseException as error:
            self.tell(ended(str(error) or type(error).__name__))
            raise
        self.tell(ended(""))

    def close(self, limit: float = PATIENCE) -> None:
        """Let listeners finish; those that hang are left behind."""
        ends = time.monotonic() + limit
        for waiting in self._queues:
            waiting.put(None)
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        self._threads, self._queues = [], []


def _serve(listener: Listener, waiting: "queue.SimpleQueue[Event | None]") -> None:
    while (event := waiting.get()) is not None:
        with suppress(Exception):
            listener(event)
