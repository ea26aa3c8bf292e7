"""An operation: plans for all hosts, and how they are carried out together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from towline.environments.host_environment import (
    HostEnvironment,
)
from towline.progress import Progress
from towline.rollout import interrupted
from towline.rollout.failure_logs import mark_bad
from towline.rollout.host_rollout import HostRollout
from towline.rollout.plan import Plan
from towline.rollout.stages import Stage
from towline.state import hold
from towline.state.journal import Unfinished

_ON = "; only on "


@dataclass(frozen=True)
class Operation:
    """Plans that can be carried out together, one a host.

    Attributes:
        respects_hold: Whether a hold stops it: what automation does, and not what a person asks
            for by its version.
        hold_reason: Why no deploy may follow until someone lifts the hold; empty sets none.
        ends: What was interrupted and is ended by this.
        supersedes: Whether it may begin although something was interrupted.
        seen: What was interrupted when it was planned: only that may be superseded, unless forced.
        forced: Whether it begins whatever was interrupted.
        without: Hosts that were left out; they keep what they serve.
        schema_question: What a person has to decide on first, since nothing tells the schema.
        begins: What else the journal says of its beginning.
        also_admit: Asked too, under the lock, before anything begins; raises to refuse.
    """

    parts: tuple[HostRollout, ...]
    respects_hold: bool = False
    hold_reason: str = ""
    ends: Unfinished | None = None
    supersedes: bool = False
    seen: Unfinished | None = None
    forced: bool = False
    schema_question: str = ""
    without: tuple[str, ...] = ()
    begins: Mapping[str, object] = field(default_factory=dict)
    also_admit: Callable[[], None] | None = None

    @property
    def site(self) -> HostEnvironment:
        """The environment on its first host."""
        return self.parts[0].site

    @property
    def plan(self) -> Plan:
        """The plan of the first host that has something to do; it stands for the others."""
        busy = (part.plan for part in self.parts if not part.plan.nothing_to_do)
        plan = next(busy, self.parts[0].plan)
        names = tuple(part.name for part in self.parts)
        left = tuple(
            f"{host} is left out; `inv deploy --env {plan.environment}` brings it to the same "
            "release later"
            for host in self.without
        )
        # What happens on some hosts only is not told by the steps of one of them.
        partly = tuple(line for line in self.interruptions if _ON in line)
        hosts = names if len(names) > 1 or self.site.remote else ()
        return replace(plan, hosts=hosts, warnings=(*plan.warnings, *left, *partly))

    @property
    def goes_to(self) -> str:
        """The release that serves all traffic afterwards; `nothing` where none does."""
        plan = self.plan
        if plan.kind != "abort":
            return plan.release
        return plan.old.id if plan.old else "nothing"

    @property
    def leaves(self) -> str:
        """The release whose traffic it takes away."""
        plan = self.plan
        return plan.release if plan.kind == "abort" else plan.live

    @property
    def interruptions(self) -> tuple[str, ...]:
        """What is restarted or recreated, and why, a line each; with the hosts, if not on all."""
        found: dict[str, list[str]] = {}
        for part in self.parts:
            for item in part.plan.interruptions:
                found.setdefault(str(item), []).append(part.name)
        return tuple(
            line if len(hosts) == len(self.parts) else f"{line}{_ON}{', '.join(hosts)}"
            for line, hosts in found.items()
        )

    def transferred(self) -> dict[str, str]:
        """What travelled to each host that is another machine, and by how many commands."""
        return {
            part.name: f"{part.site.transferred}; {_commands(part.site.transferred.commands)}"
            for part in self.parts
            if part.site.remote
        }

    def run(self, progress: Progress, *, wait: float = 0.0) -> Stage | None:
        """Carry it out; see `Executor.run` for what it raises.

        Returns the stage at which it is paused; None when it has ended.

        Args:
            progress: Shows the steps.
            wait: Seconds to wait for someone else's operation.
        """
        # A plan that has nothing to do, or is only shown, does not need it.
        from towline.rollout.executor import Executor

        if not self.plan.nothing_to_do:
            self._refuse_held()
        executor = Executor(
            self.parts, progress, wait=wait, admit=self._admit, seal=self._seal,
            without=self.without, begins=self.begins,
        )  # fmt: skip
        executor.run()
        return executor.paused

    def _refuse_held(self) -> None:
        if self.respects_hold:
            hold.refuse(self.site.host.files, self.site.state, self.site.name)

    def _admit(self) -> None:
        """Under the lock, what was true before it was taken is looked at again."""
        self._refuse_held()
        if not self.supersedes:
            interrupted.same(self.site, self.ends)
        elif not self.forced:
            interrupted.unchanged(self.site, self.seen)
        if self.also_admit:
            self.also_admit()

    def _seal(self) -> None:
        """Hold the environment before the operation ends, so that no kill can come between."""
        if self.hold_reason:
            hold.put(self.site.files, self.site.state, self.hold_reason)
        if self.hold_reason and self.plan.kind == "abort":
            # A person rolled it back, which is more than that it was not ended.
            for part in self.parts:
                mark_bad(part.site, part.plan, self.hold_reason)


def _commands(count: int) -> str:
    return f"{count} command" if count == 1 else f"{count} commands"
