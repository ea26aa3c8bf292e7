"""The plan: what a command would do, known before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from towline.engines.acts import Effect
from towline.rollout.stages import Stage
from towline.state.releases import Release


@dataclass(frozen=True)
class PlannedStep:
    """One step of a plan.

    Attributes:
        name: Key of the action that performs it; also its name in the journal.
        title: One line for people.
        commands: The commands it runs on the host, as they would be typed.
        stage: The desired state, for steps that bring the environment to a stage.
        estimate: About how much it moves; the outcome says how much it was.
        effects: What it does to backing services, the router and workers, and why.
    """

    name: str
    title: str
    commands: tuple[str, ...] = ()
    stage: Stage | None = None
    estimate: str = ""
    effects: tuple[Effect, ...] = ()

    def data(self) -> dict[str, Any]:
        """The step for machines."""
        stage = self.stage.data() if self.stage else None
        data = asdict(replace(self, stage=None))
        return {**data, "commands": list(self.commands), "stage": stage}

    def lines(self) -> Iterator[str]:
        """What stands below the step for people."""
        if self.stage and self.stage.gates:
            yield f"       gates: {', '.join(gate.name for gate in self.stage.gates)}"
        for effect in self.effects:
            yield f"       {'!' if effect.interrupts else '-'} {effect}"
        for command in self.commands:
            yield f"       $ {command}"
        if self.stage and self.stage.pauses:
            yield "       then it pauses: `inv deploy.promote` goes on"


@dataclass(frozen=True)
class Change:
    """One difference between the live release and the planned one."""

    kind: str
    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Plan:
    """What an operation would do.

    Attributes:
        kind: `deploy` or `rollback`.
        release: Identifier of the release that is to serve.
        live: Identifier of the release that serves now; empty when none does.
        slot: The slot of the release that is to serve.
        old_slot: The slot of the release that serves now.
        old: The release to come back to when the operation fails.
        steps: In order; none when there is nothing to do.
        changes: What differs between the two releases.
        images: Service -> image reference that the release was planned with.
        hosts: Names of the hosts, where they are other machines.
    """

    schema: ClassVar[str] = "plan"

    kind: str
    project: str
    environment: str
    release: str
    version: str
    commit: str
    live: str
    slot: str
    old_slot: str | None
    old: Release | None
    strategy: str
    steps: tuple[PlannedStep, ...] = ()
    changes: tuple[Change, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @property
    def nothing_to_do(self) -> bool:
        """Whether the environment is already as wished."""
        return not self.steps

    @property
    def interruptions(self) -> tuple[Effect, ...]:
        """What stops a backing service or the router for a while: users notice."""
        return tuple(item for step in self.steps for item in step.effects if item.interrupts)

    def data(self) -> dict[str, Any]:
        """The plan for machines; it holds no secret."""
        data = {name: value for name, value in asdict(self).items() if name not in ("old", "steps")}
        steps = [step.data() for step in self.steps]
        old = {"colour": self.slot, "old_colour": self.old_slot}  # they go with 0.8.0
        return {**data, **old, "nothing_to_do": self.nothing_to_do, "steps": steps}

    def lines(self) -> Iterator[str]:
        """The plan for people."""
        if self.nothing_to_do:
            yield f"{self.release} is already live in {self.environment}: nothing to do"
            return
        yield f"{self.kind} {self.project} {self.release} to {self.environment} ({self.strategy})"
        yield f"  live now   {self.live or 'nothing'}"
        yield f"  slot       {self.slot}"
        if self.hosts:
            yield f"  hosts      {', '.join(self.hosts)}"
        for warning in self.warnings:
            yield f"  warning    {warning}"
        if self.changes:
            yield "changes"
            width = max(len(f"{change.kind} {change.name}") for change in self.changes)
            for change in self.changes:
                arrow = f"{change.before or '(none)'} -> {change.after or '(none)'}"
                yield f"  {f'{change.kind} {change.name}':<{width}}  {arrow}"
        yield "steps"
        for number, step in enumerate(self.steps, 1):
            yield f"  {number}. {', '.join(filter(None, [step.title, step.estimate]))}"
            yield from step.lines()
