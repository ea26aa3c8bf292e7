"""The executor walks a plan: write the intention, act, pass the gates, write the outcome.

On several hosts each step is one step: it is done when every host has done it. When one fails,
`recovery.py` points the same code at one more stage, on all of them.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from towline.environments import lead_lock
from towline.environments.fence import if_possible, now
from towline.errors import TowlineError
from towline.progress import Progress
from towline.rollout import pausing
from towline.rollout.closing import Closing
from towline.rollout.events import Begun, Ended, Events, Listener, Terminal, find_listeners
from towline.rollout.host_rollout import CancellationCheck, HostRollout
from towline.rollout.parallel import HostFailed, Retreat, annotate, on_all, summarize
from towline.rollout.plan import PlannedStep
from towline.rollout.recovery import Recovery
from towline.rollout.signals import Interrupt, Interrupted, deferred
from towline.rollout.stages import Stage
from towline.rollout.steps.table import Phase, Scope, find_step
from towline.state import lock

# Seconds for which whoever only waits does not ask again whether the lock is still held.
_LOOK_AGAIN = 10.0


def _nothing() -> None:
    """What is done where nothing more was asked for."""


@dataclass
class Executor:
    """Carries out one operation on one environment.

    Attributes:
        parts: Its hosts; journal and lock lie on the first.
        wait: Seconds to wait for someone else who is running an operation.
        admit: Refuses to begin, under the lock.
        seal: Done under the lock when all steps are, right before the end is written.
        without: Hosts that were left out, for the journal.
        begins: What else the journal says of the beginning.
        paused: The stage after which it waits for a person now; it has no end then.
        listeners: Who is told besides the person at the terminal; those of `listeners/`.
    """

    parts: Sequence[HostRollout]
    progress: Progress
    wait: float = 0.0
    admit: Callable[[], None] = _nothing
    seal: Callable[[], None] = _nothing
    without: Sequence[str] = ()
    begins: Mapping[str, object] = field(default_factory=dict)
    paused: Stage | None = None
    listeners: Sequence[Listener] = field(default_factory=find_listeners)
    operation: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _interrupt: Interrupt = field(default_factory=Interrupt)
    _since: float = field(default_factory=now)
    _verdicts: list[dict[str, Any]] = field(default_factory=list)
    _touched: set[str] = field(init=False)
    _switched: set[str] = field(default_factory=set)
    _closing: Closing = field(init=False)
    _events: Events = field(init=False)

    def __post_init__(self) -> None:
        """Whoever listens has no say in what is done."""
        self._events = Events([Terminal(self.progress), *self.listeners])
        self.parts = tuple(
            replace(part, say=self._events.say, keep=self._verdicts.append, since=self._since)
            for part in self.parts
        )
        self._touched = {part.name for part in self.parts if part.touched}
        self._closing = Closing(self.parts)

    def _take_verdicts(self) -> list[dict[str, Any]]:
        """What gates said since the last time, for the journal."""
        taken = [*self._verdicts]
        self._verdicts.clear()
        return taken

    @property
    def _lead(self) -> HostRollout:
        return self.parts[0]

    def run(self) -> None:
        """Carry the plans out.

        Raises:
            Locked: When someone else is running an operation here, or took over while this process
                slept, or when nobody can say whether somebody did.
            PlanOutdated: When the environment changed since the plan was made.
            RolledBack: When a step failed and the old release serves again.
            ManualInterventionRequired: When the rollback also failed.
            TowlineError: When a step failed before anything was touched, or there was no old
                release to roll back to.
        """
        if all(part.plan.nothing_to_do for part in self.parts):
            return
        self._events.open()
        try:
            self._run()
        except TowlineError as error:
            self._events.tell(Ended(error.exit_code, error.message))
            raise
        except BaseException as error:
            self._events.tell(Ended(1, f"{type(error).__name__}: {error}"))
            raise
        else:
            self._events.tell(Ended(paused=pausing.describe(self.paused)))
        finally:
            self._events.close()

    def _run(self) -> None:
        plan = self._lead.plan
        purpose = f"{plan.kind} {plan.release}"
        sites = [part.site for part in self.parts]
        with (
            lead_lock.held(sites, purpose, wait=self.wait, say=self._events.say),
            deferred(self._events.say) as self._interrupt,
        ):
            self.admit()
            self._check()
            data = {
                "kind": plan.kind,
                "release": plan.release,
                "live": plan.live,
                "before": plan.old.id if plan.old else "",
                "colour": plan.slot,
                "strategy": plan.strategy,
                "reason": self._lead.reason,
            }
            hosts = {"hosts": [part.name for part in self.parts]} if len(self.parts) > 1 else {}
            left_out = {"without": list(self.without)} if self.without else {}
            self._write("begin", {**data, **hosts, **left_out, **self.begins})
            self._events.tell(self._begun())
            for name, parts in self._schedule():
                able = [part for part in parts if part.name not in self._closing.left]
                try:
                    self._check_cancelled()
                    # Which host leads is known to those too on which nothing is done now.
                    self._lead.site.fence.prove_everywhere()
                    if able:
                        self._perform(name, able)
                        self.paused = pausing.pause_after(name, able[0], self._lead, self.operation)
                    if self.paused:
                        return
                except HostFailed as failure:
                    self._failed(name, failure)
                except Exception as error:
                    self._failed(name, HostFailed(self._lead, error))
            self._end()
            pausing.forget_requests(self._lead)

    def _begun(self) -> Begun:
        plan = self._lead.plan
        return Begun(
            self.operation,
            plan.kind,
            plan.project,
            plan.environment,
            plan.release,
            plan.live,
            plan.strategy,
            hosts=tuple(part.name for part in self.parts),
            reason=self._lead.reason,
        )

    def _seal(self) -> None:
        try:
            self.seal()
        except (OSError, TowlineError) as error:
            if isinstance(error, lock.Fenced):
                raise
            plan = self._lead.plan
            raise TowlineError(
                f"{plan.release} serves all traffic, but {plan.environment} could not be put on "
                f"hold: {error}",
                remedy=f"`inv deploy.resume --env {plan.environment}` does that",
            ) from error

    def _schedule(self) -> Iterator[tuple[str, list[HostRollout]]]:
        """Each step, with the hosts that it is for.

        What is before the first change and after the last is done on all hosts; between them the
        hosts go in batches (`rollout.batch_size`).
        """
        names = merge_orders([[step.name for step in part.plan.steps] for part in self.parts])
        size = self._lead.site.rollout.batch_size or len(self.parts)
        batches = [self.parts[at : at + size] for at in range(0, len(self.parts), size)]
        phases = {name: find_step(name).phase for name in names}

        def of(phase: Phase) -> list[str]:
            return [name for name in names if phases[name] is phase]

        rows = [(name, self.parts) for name in of(Phase.PREPARE)]
        rows += [(name, batch) for batch in batches for name in of(Phase.CHANGE)]
        rows += [(name, self.parts) for name in of(Phase.FINISH)]
        for name, parts in rows:
            having = [part for part in parts if part.step(name)]
            having = having[:1] if find_step(name).scope is Scope.ONCE else having
            if having:
                yield name, having

    def _perform(self, name: str, parts: list[HostRollout]) -> None:
        step = parts[0].step(name)
        assert step is not None  # noqa: S101 - the schedule names hosts that have the step
        journal = self._lead.site.journal
        row = find_step(name)
        some = len(parts) < len(self.parts) and row.scope is not Scope.ONCE
        title = f"{step.title} on {', '.join(part.name for part in parts)}" if some else step.title
        with (
            self._events.step(name, title) as note,
            journal.step(self.operation, name) as outcome,
        ):
            at_once = 1 if row.scope is Scope.ONE_BY_ONE else self._lead.site.rollout.concurrency
            is_closing = self._is_closing(name)

            def act(part: HostRollout, check_cancelled: CancellationCheck) -> str:
                check_cancelled()
                if row.phase is not Phase.PREPARE and not row.reverts_itself:
                    self._touched.add(part.name)
                return part.perform(part.step(name) or step, check_cancelled)

            retreat = None if is_closing or row.phase is Phase.PREPARE else self._retreat(parts)
            try:
                notes = on_all(
                    parts,
                    act,
                    at_once=at_once,
                    check_cancelled=self._check_cancelled,
                    together=not is_closing,
                    retreat=retreat,
                )
            finally:
                # Also of a step that fails: why it did is in the figures.
                if verdicts := self._take_verdicts():
                    outcome["verdicts"] = verdicts
            if step.stage and step.stage.share == 100:
                self._switched |= {part.name for part in parts}
            outcome["note"] = summarize(parts, notes)
            annotate(note, parts, notes)

    def _check_cancelled(self) -> None:
        self._lead.site.fence.prove(_LOOK_AGAIN)
        self._interrupt.check_cancelled()

    def _retreat(self, parts: Sequence[HostRollout]) -> Retreat:
        """Where one host fails, users of the others do not wait until all have noticed."""
        busy = {part.name for part in parts}
        idle = self._touched - busy
        before = [part for part in self.parts if part.name in idle]
        return Retreat(HostRollout.stand_in, before)

    def _is_closing(self, name: str) -> bool:
        """Whether a step only closes what is proven: every host that is to switch has done so."""
        if find_step(name).phase is Phase.FINISH:
            return True
        stages = [step.stage for part in self.parts if (step := part.step(name)) and step.stage]
        switching = [
            part for part in self.parts if any(_switches(step) for step in part.plan.steps)
        ]
        is_cleanup = bool(stages) and all(stage.is_cleanup for stage in stages)
        return is_cleanup and all(part.name in self._switched for part in switching)

    def _failed(self, name: str, failure: HostFailed) -> None:
        # Whoever has the lock now decides what serves, whatever failed here.
        self._lead.site.fence.prove()
        interrupted = (
            isinstance(failure.error, Interrupted) and find_step(name).phase is not Phase.FINISH
        )
        if self._is_closing(name) and not interrupted:
            self._closing.leave(name, failure)
            return
        # Users must be served as before.
        recovery = Recovery(self.parts, self._touched, self.operation, self._events, self._since)
        recovery.go_back(name, failure)

    def _end(self) -> None:
        if self._lead.plan.kind in ("deploy", "rollback", "abort"):
            self._closing.ask()
        outcome = self._closing.outcome()
        if outcome == {"ok": True}:
            self._seal()
            self._write("end", outcome)
            return
        with if_possible():
            self.seal()
            self._write("end", outcome)
        self._closing.refuse()

    def _check(self) -> None:
        def check(part: HostRollout, _: CancellationCheck) -> str:
            part.still_as_planned()
            # What is to be masked is read while the host answers: errors are told without it.
            part.site.redactor  # noqa: B018
            return ""

        try:
            on_all(self.parts, check)
        except HostFailed as failure:
            raise failure.error from None

    def _write(self, event: str, data: Mapping[str, object]) -> None:
        self._lead.site.journal.write(self.operation, event, data=data)


def _switches(step: PlannedStep) -> bool:
    """Whether a step brings all traffic to the release, and is no mere end of that."""
    return step.stage is not None and step.stage.share == 100 and not step.stage.is_cleanup


def merge_orders(lists: Sequence[Sequence[str]]) -> list[str]:
    """All names in an order that agrees with each of the lists."""
    found: list[str] = []
    for names in lists:
        place = 0
        for name in names:
            if name in found:
                place = found.index(name) + 1
            else:
                found.insert(place, name)
                place += 1
    return found
