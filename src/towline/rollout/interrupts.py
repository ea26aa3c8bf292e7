"""Ctrl-C and SIGTERM end an operation at its next safe point, not in the middle of a step."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from towline.errors import TowlineError


class Interrupted(TowlineError):
    """Someone asked the operation to stop."""


@dataclass
class Interrupt:
    """Whether someone asked to stop; `tick` raises at a safe point, once."""

    asked: str = ""

    def tick(self) -> None:
        """Raise when someone asked to stop.

        Raises:
            Interrupted: Once; going back is not to be interrupted again.
        """
        if self.asked:
            name, self.asked = self.asked, ""
            raise Interrupted(f"interrupted by {name}")


@contextmanager
def deferred(say: Callable[[str], None]) -> Iterator[Interrupt]:
    """Turn SIGINT and SIGTERM into a request to stop, while the body runs; `say` so at once."""
    interrupt = Interrupt()

    def ask(number: int, _frame: FrameType | None) -> None:
        interrupt.asked = signal.Signals(number).name
        # In the middle of a line being written, Python refuses to write another.
        with suppress(RuntimeError):
            say(f"{interrupt.asked}: stopping at the next safe point")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
