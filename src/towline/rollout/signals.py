"""Signals: what Ctrl-C, SIGTERM and a closed terminal (SIGHUP) do to a command.

An operation ends at its next safe point and not in the middle of a step; a build, which changes
nothing that serves, ends at once. So does any other command, and takes with it what it left lying
about.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from towline.errors import TowlineError


class Interrupted(TowlineError):
    """Someone asked the operation to stop."""


@dataclass
class Interrupt:
    """Whether someone asked to stop; `check_cancelled` raises at a safe point, once."""

    asked: str = ""

    def check_cancelled(self) -> None:
        """Raise when someone asked to stop.

        Raises:
            Interrupted: Once; a rollback is not to be interrupted again.
        """
        if self.asked:
            name, self.asked = self.asked, ""
            raise Interrupted(f"interrupted by {name}")


@contextmanager
def cleaning() -> Iterator[None]:
    """Let signals end the body as an exception would, so that `finally` runs.

    Raises:
        KeyboardInterrupt: For SIGINT, also where a shell made us ignore it.
        SystemExit: With the exit code that a shell gives such an end, 128 and the signal's number.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    with _handling(leave, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def deferred(say: Callable[[str], None]) -> Iterator[Interrupt]:
    """Turn signals into a request to stop, while the body runs; `say` so at once."""
    interrupt = Interrupt()

    def ask(number: int, _frame: FrameType | None) -> None:
        interrupt.asked = signal.Signals(number).name
        # In the middle of a line being written, Python refuses to write another; a terminal that
        # was closed takes none.
        with suppress(RuntimeError, OSError):
            say(f"{interrupt.asked}: stopping at the next safe point")

    with _handling(ask, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield interrupt


@contextmanager
def _handling(
    act: Callable[[int, FrameType | None], None], *numbers: signal.Signals
) -> Iterator[None]:
    """Handle signals while the body runs; a closed terminal means nothing under `nohup`."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets no other thread handle signals
        return
    is_deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    # A shell lets its background jobs ignore SIGINT; whoever sends one to us means it all the same.
    heard = [number for number in numbers if not (is_deaf and number == signal.SIGHUP)]
    before = {number: signal.signal(number, act) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
