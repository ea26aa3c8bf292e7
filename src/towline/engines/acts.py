"""What an act does to a service, as the plan announces it and the engine carries it out."""

from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What happens to a service."""

    CREATE = "create"
    START = "start"
    RECREATE = "recreate"
    RESTART = "restart"
    RELOAD = "reload"
    REMOVE = "remove"
    HAND_OVER = "hand over"


# What its users feel.
_INTERRUPTING = (Act.RECREATE, Act.RESTART, Act.REMOVE)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step does to one service.

    Attributes:
        service: Its name.
        role: Its role.
        act: What happens to it.
        reasons: Why, such as `image` or `environment PASSWORD`.
        away: Seconds that it was away the last time; None when nobody knows.
    """

    service: str
    role: str
    act: Act
    reasons: tuple[str, ...] = ()
    away: float | None = None

    @property
    def interrupts(self) -> bool:
        """Whether what runs is stopped for a while: its users notice."""
        return self.act in _INTERRUPTING

    def __str__(self) -> str:
        said = f"{self.act}s" if self.act is not Act.HAND_OVER else "hands over"
        why = f": {', '.join(self.reasons)}" if self.reasons else ""
        return f"{said} {self.service} ({self.role}){why}{self._felt()}"

    def _felt(self) -> str:
        if not self.interrupts:
            return ""
        if self.act is Act.REMOVE:
            return "; what still uses it fails"
        last = "a few seconds" if self.away is None else f"{self.away:.1f} s the last time"
        if self.role == "router":
            return f"; users are refused meanwhile ({last})"
        return f"; its connections break, and it is away meanwhile ({last})"
