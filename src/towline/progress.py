"""What an operation tells the person who waits."""

from contextlib import AbstractContextManager, nullcontext
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
