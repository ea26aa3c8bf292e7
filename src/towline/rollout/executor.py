"""The executor walks a plan: write the intention, act, pass the gates, write the outcome.

When a step fails, `recovery.py` points the same code at one more stage.
"""

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from towline.config.services import Role
from towline.engines.releases import Release, Status
from towline.errors import TowlineError, UsageError
from towline.rollout import lock
from towline.rollout.gates import Gates
from towline.rollout.interrupts import Interrupt, deferred
from towline.rollout.plan import Plan, Step
from towline.rollout.progress import Progress
from towline.rollout.recovery import Recovery
from towline.rollout.retention import prune
from towline.rollout.site import Site, observe
from towline.rollout.stages import Side, Stages

_JOB_LIMIT = 1800.0
# What never touches an environment; a failure there needs no way back.
_HARMLESS = ("build", "pull", "ship", "prepare")

Action = Callable[[], str]


@dataclass
class Executor:
    """Carries out one plan on one environment.

    Attributes:
        preparations: Actions for the steps `build`, `pull`, `ship` and `prepare`.
        reason: Why a person rolls back; kept with the release that is left.
    """

    site: Site
    plan: Plan
    progress: Progress
    preparations: Mapping[str, Action] = field(default_factory=dict)
    reason: str = ""
    operation: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _interrupt: Interrupt = field(default_factory=Interrupt)
    _touched: bool = False

    def run(self) -> None:
        """Carry the plan out.

        Raises:
            Locked: When someone else is at work here.
            UsageError: When the environment changed since the plan was made.
            RolledBack: When a step failed and the old release serves again.
            NeedsPerson: When going back failed too.
            TowlineError: When a step failed before anything was touched, or there was no old
                release to go back to.
        """
        site, plan = self.site, self.plan
        if plan.nothing_to_do:
            return
        purpose = f"{plan.kind} {plan.release}"
        with lock.held(site.host.files, site.state.lock, purpose), deferred() as self._interrupt:
            self._still_as_planned()
            self._write("begin", {"kind": plan.kind, "release": plan.release, "live": plan.live,
                                  "colour": plan.colour, "strategy": plan.strategy,
                                  "reason": self.reason})  # fmt: skip
            for step in plan.steps:
                try:
                    self._interrupt.tick()
                    self._perform(step)
                except Exception as error:
                    if step.name == "keep":
                        self._left_untidy(error)
                    # Whatever went wrong, users must be served as before.
                    self._recovery().go_back(step.name, error, touched=self._touched)
            self._write("end", {"ok": True})

    def _perform(self, step: Step) -> None:
        actions: dict[str, Action] = {
            **self.preparations,
            "settle": self._settle,
            "migrate": self._migrate,
            "keep": self._keep,
        }
        if step.stage is not None:
            stage = step.stage
            action: Action = lambda: self._stages(self._interrupt.tick).reach(stage)  # noqa: E731
        else:
            action = actions[step.name]
        if step.name not in _HARMLESS:
            self._touched = True
        with (
            self.progress.step(step.title) as note,
            self.site.journal.step(self.operation, step.name) as outcome,
        ):
            note.text = outcome["note"] = action()

    @property
    def _release(self) -> Release:
        release = self.site.store.get(self.plan.release)
        if release is None:
            raise TowlineError(f"release {self.plan.release} is not kept on {self.site.host.name}")
        return release

    def _gates(self, tick: Callable[[], None]) -> Gates:
        site = self.site
        smoke = site.project.settings.smoke
        return Gates(site.engine, site.rollout, smoke, site.project.deploy_tree, tick)

    def _settle(self) -> str:
        done = self.site.engine.settle(self._release)
        figures = self._gates(self._interrupt.tick).kept_healthy(self._release)
        return "; ".join(filter(None, [*done, figures]))

    def _migrate(self) -> str:
        release = self._release
        names = release.named(Role.JOB)
        for name in names:
            self.site.engine.run_job(release, self.plan.colour, name, timeout=_JOB_LIMIT)
        return f"{', '.join(names)} done"

    def _keep(self) -> str:
        store, plan = self.site.store, self.plan
        store.mark(self._release, Status.GOOD)
        if plan.kind == "rollback" and plan.old:
            store.mark(plan.old, Status.BAD, self.reason or "rolled back")
        removed = prune(self.site, self._release, self.site.rollout.keep)
        return f"removed {', '.join(removed)}" if removed else ""

    def _stages(self, tick: Callable[[], None]) -> Stages:
        plan, site = self.plan, self.site
        new = site.store.get(plan.release)
        return Stages(
            site.engine,
            self._gates(tick),
            Side(new, plan.colour) if new else None,
            Side(plan.old, plan.old_colour) if plan.old and plan.old_colour else None,
            site.rollout.drain,
            tick,
        )

    def _recovery(self) -> Recovery:
        # Going back is not to be interrupted, however often somebody asks.
        stages = self._stages(lambda: None)
        return Recovery(self.site, self.plan, self.operation, self.progress, stages)

    def _left_untidy(self, error: Exception) -> NoReturn:
        """The release serves and is proven: no reason to take it back."""
        reason = self.site.redactor.redact(str(error))
        with suppress(OSError):
            self._write("end", {"ok": False, "error": reason})
        raise TowlineError(
            f"{self.plan.release} serves all traffic, but tidying up after it failed: {reason}",
            remedy=f"mend the cause, then run `inv deploy --env {self.plan.environment}` again",
        ) from error

    def _still_as_planned(self) -> None:
        """The plan was made before the lock was taken; someone may have been faster."""
        now = observe(self.site)
        if (now.live.id if now.live else "") != self.plan.live:
            raise UsageError(
                f"{self.plan.environment} changed since the plan was made: "
                f"{now.live.id if now.live else 'nothing'} is live now",
                remedy="look at `inv status`, and run the command again",
            )

    def _write(self, event: str, data: Mapping[str, object]) -> None:
        self.site.journal.write(self.operation, event, data=data)
