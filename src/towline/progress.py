"""What an operation tells the person who waits."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Protocol


class StepNote:
    """Filled in while a step runs; shown when it is done.

    Attributes:
        text: Figures of the step.
        hosts: Figures of each host, where there are several: name and text.
    """

    def __init__(self) -> None:
        self.text = ""
        self.hosts: list[tuple[str, str]] = []


class Progress(Protocol):
    """Shows steps as they happen."""

    def step(self, title: str) -> AbstractContextManager[StepNote]:
        """Show a step while the body runs, and how it ended."""
        ...

    def say(self, text: str) -> None:
        """Show a line in the middle of a step."""
        ...


class Silent:
    """Shows nothing."""

    def step(self, title: str) -> AbstractContextManager[StepNote]:  # noqa: ARG002
        """See `Progress.step`."""
        return nullcontext(StepNote())

    def say(self, text: str) -> None:
        """See `Progress.say`."""


@dataclass(frozen=True)
class Unfailing:
    """Shows what another shows, and goes on where that fails.

    A terminal that was closed or a reader that ended must not decide what becomes of a release.
    """

    shown: Progress

    @contextmanager
    def step(self, title: str) -> Iterator[StepNote]:
        """See `Progress.step`."""
        showing: AbstractContextManager[StepNote] = nullcontext(StepNote())
        with suppress(Exception):
            showing = self.shown.step(title)
        note = StepNote()
        with suppress(Exception):
            note = showing.__enter__()
        try:
            yield note
        except BaseException:
            with suppress(Exception):
                showing.__exit__(*sys.exc_info())
            raise
        with suppress(Exception):
            showing.__exit__(None, None, None)

    def say(self, text: str) -> None:
        """See `Progress.say`."""
        with suppress(Exception):
            self.shown.say(text)
