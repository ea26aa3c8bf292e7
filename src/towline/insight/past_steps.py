"""One operation of the journal, step by step, with the verdicts of its gates."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from towline.environments.host_environment import HostEnvironment
from towline.errors import UsageError
from towline.insight.history import PastOperation, past_operation
from towline.rollout.steps.table import current_name
from towline.state.journal import Entry

_FIGURES = "figures"


@dataclass(frozen=True)
class PastVerdict:
    """What a gate said.

    Attributes:
        outcome: `pass`, `fail`, `error` or `inconclusive`.
        figures: What it rested on, by name.
        host: Where; empty on this machine.
    """

    gate: str
    outcome: str
    text: str
    figures: dict[str, float]
    host: str = ""

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "gate": self.gate,
            "outcome": self.outcome,
            "text": self.text,
            _FIGURES: self.figures,
            "host": self.host,
        }


@dataclass(frozen=True)
class PastStep:
    """One step of an operation.

    Attributes:
        result: `ok`, `failed`, or `interrupted` when nothing says how it ended.
        text: What it said, or why it failed.
    """

    name: str
    began_at: str
    result: str
    text: str
    verdicts: tuple[PastVerdict, ...]

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "began_at": self.began_at,
            "result": self.result,
            "text": self.text,
            "verdicts": [item.data() for item in self.verdicts],
        }


def show_operation(site: HostEnvironment, identifier: str) -> tuple[PastOperation, list[PastStep]]:
    """An operation and its steps.

    Args:
        site: The environment, on its lead host.
        identifier: The operation's name in the journal, or the beginning of it.

    Raises:
        UsageError: When there is no such operation.
    """
    for entries in site.journal.recent():
        if entries[0]["op"].startswith(identifier):
            return past_operation(entries), [*_steps(entries)]
    raise UsageError(
        f"no operation {identifier!r} in the journal of {site.name}",
        remedy=f"`inv history --env {site.name} --json` names them in `id`",
    )


def _steps(entries: list[Entry]) -> Iterator[PastStep]:
    begun: Entry | None = None
    for entry in entries:
        if entry["event"] == "intent":
            if begun:
                yield _step(begun, {})
            begun = entry
        elif entry["event"] == "outcome" and begun:
            yield _step(begun, entry["data"])
            begun = None
    if begun:
        yield _step(begun, {})


def _step(begun: Entry, outcome: dict[str, Any]) -> PastStep:
    result = {True: "ok", False: "failed", None: "interrupted"}[outcome.get("ok")]
    given = outcome.get("verdicts")
    found = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
    return PastStep(
        name=current_name(begun["step"]),
        began_at=begun["at"],
        result=result,
        text=str(outcome.get("error") or outcome.get("note") or ""),
        verdicts=tuple(_verdict(item) for item in found),
    )


def _verdict(item: dict[str, Any]) -> PastVerdict:
    figures = item.get(_FIGURES)
    given = figures.items() if isinstance(figures, dict) else ()
    return PastVerdict(
        gate=str(item.get("gate", "")),
        outcome=str(item.get("outcome", "")),
        text=str(item.get("text", "")),
        figures={str(name): value for name, value in given if isinstance(value, int | float)},
        host=str(item.get("host", "")),
    )
