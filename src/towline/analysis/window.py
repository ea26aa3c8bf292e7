"""A window of time that figures are asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, in Unix seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(0.0, self.end - self.start)
