"""What a gate is: a value with its settings, that is asked once and answers with a verdict."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from towline.engines.base import Engine
from towline.environments.fence import now
from towline.errors import TowlineError
from towline.hosts.waiting import is_transient
from towline.state.lock import silent
from towline.state.releases import Release


class GateOutcome(StrEnum):
    """How a gate answered."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    # It could not be asked.
    ERROR = "error"
    # It was asked, and cannot tell.
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Verdict:
    """A gate's answer.

    Attributes:
        text: One line, for people and the journal.
        figures: What it rests on, by name.
        details: Further lines, such as the last log lines of a container.
        remedy: What to do about it.
    """

    outcome: GateOutcome
    text: str
    figures: Mapping[str, float] = field(default_factory=dict)
    details: tuple[str, ...] = ()
    remedy: str = ""

    def data(self, gate: str) -> dict[str, Any]:
        """The verdict of a gate for the journal."""
        given = {name: value for name, value in self.figures.items() if math.isfinite(value)}
        return {"gate": gate, "outcome": str(self.outcome), "text": self.text, "figures": given}


def _unheard(gate: str, verdict: Verdict) -> None:
    """Nobody keeps it."""


@dataclass(frozen=True)
class GateContext:
    """What a gate is asked about: a release in its slot.

    Attributes:
        replicas: Service -> containers that are to be there; those not named have what the
            release says.
        folder: Where commands of smoke tests run: the deploy tree.
        check_cancelled: Called in every wait; raises when the operation is to stop.
        say: Tells people, while they wait, what a gate waits for.
        keep: Told each verdict, by the name of its gate.
        since: When the operation began, by `fence.now`; older lines of a container are not shown.
    """

    engine: Engine
    release: Release
    slot: str
    folder: Path
    check_cancelled: Callable[[], None]
    replicas: Mapping[str, int] = field(default_factory=dict)
    say: Callable[[str], None] = silent
    keep: Callable[[str, Verdict], None] = _unheard
    since: float = field(default_factory=now)

    def wanted(self, service: str) -> int:
        """How many containers of a service are to be there."""
        return self.replicas.get(service, self.release.replicas_of(service))


class Gate(ABC):
    """What must hold before the next stage.

    Attributes:
        name: What plans and messages call it.
        under_traffic: Whether it is asked once the stage's share of traffic is in force.
        asked_again: Whether it is asked once more right before traffic moves: what takes time in
            between, such as a worker that stops, may have cost the release its health.
    """

    name: ClassVar[str]
    under_traffic: ClassVar[bool] = False
    asked_again: ClassVar[bool] = False

    @abstractmethod
    def check(self, context: GateContext) -> Verdict:
        """Ask it; waits for as long as its settings allow."""


class GateFailed(TowlineError):
    """A gate said no; `gate` names it, the message carries the figures."""

    def __init__(self, gate: str, verdict: Verdict) -> None:
        super().__init__(
            f"gate {gate} failed: {verdict.text}", details=verdict.details, remedy=verdict.remedy
        )
        self.gate = gate


class GateUndecided(TowlineError):
    """A gate could not be asked, or cannot tell: that says nothing against the release."""

    def __init__(self, gate: str, verdict: Verdict) -> None:
        could = "could not be asked" if verdict.outcome is GateOutcome.ERROR else "is inconclusive"
        super().__init__(
            f"gate {gate} {could}: {verdict.text}", details=verdict.details, remedy=verdict.remedy
        )
        self.gate = gate


def pass_gate(gate: Gate, context: GateContext) -> str:
    """Ask a gate; returns its figures in one line.

    Raises:
        GateFailed: When it says no.
        GateUndecided: When it could not be asked, or cannot tell.
        Exception: What a host says that is lost.
    """
    try:
        verdict = gate.check(context)
    except Exception as error:
        if is_transient(error):
            raise
        said = f"{type(error).__name__}: {error}"
        raise GateUndecided(gate.name, Verdict(GateOutcome.ERROR, said)) from error
    context.keep(gate.name, verdict)
    if verdict.outcome is GateOutcome.PASS:
        return f"{gate.name}: {verdict.text}"
    raise (GateFailed if verdict.outcome is GateOutcome.FAIL else GateUndecided)(gate.name, verdict)
