"""One host's part in an operation: the same steps as the others, by its own plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from towline.config.services import Role
from towline.engines.base import Engine
from towline.engines.job_failure import JobFailed
from towline.environments import renewal
from towline.environments.fence import fenced, if_possible, now
from towline.environments.host_environment import HostEnvironment, observe
from towline.environments.host_files import own
from towline.environments.renewal import Renewal
from towline.errors import TowlineError, UsageError
from towline.hosts.waiting import retry
from towline.rollout.failure_logs import keep_logs, with_log
from towline.rollout.gates.base import GateContext, GateFailed, Verdict, pass_gate
from towline.rollout.gates.containers import serving_fault
from towline.rollout.gates.health import Health
from towline.rollout.plan import Plan, PlannedStep
from towline.rollout.retention import prune
from towline.rollout.schedules import restore
from towline.rollout.serving import restart_router
from towline.rollout.steps import table
from towline.rollout.transition import Transition
from towline.state.lock import silent
from towline.state.releases import Release, Status

CancellationCheck = Callable[[], None]
Action = Callable[[CancellationCheck], str]


class PlanOutdated(UsageError):
    """The environment changed since the plan was made; a new plan may do."""


def _drop(verdict: dict[str, Any]) -> None:
    """Nobody wants to know."""


def _never() -> None:
    """Nobody can stop a rollback."""


@dataclass(frozen=True)
class HostRollout:
    """One host in an operation.

    Attributes:
        preparations: Actions for the steps of phase `prepare`; what takes long in one asks the
            `check_cancelled` that it gets.
        reason: Why a person rolls back; recorded with the release that is left.
        say: Tells people what it waits for.
        keep: Gets the verdict of each gate, as plain data.
        touched: Whether something on the host may have changed before it begins.
        since: When the operation began, by `fence.now`.
        renewed: What of the host's own files to renew; all that differ when not given.
    """

    site: HostEnvironment
    plan: Plan
    preparations: Mapping[str, Action] = field(default_factory=dict)
    reason: str = ""
    say: Callable[[str], None] = silent
    keep: Callable[[dict[str, Any]], None] = _drop
    touched: bool = False
    since: float = field(default_factory=now)
    renewed: Renewal | None = None

    @property
    def name(self) -> str:
        """The host's name."""
        return self.site.host.name

    @property
    def engine(self) -> Engine:
        """The engine of its host; each act asks first whether the lock is still held."""
        return fenced(self.site.engine, self.site.fence, self.name)

    def step(self, name: str) -> PlannedStep | None:
        """A step of its plan."""
        return next((step for step in self.plan.steps if step.name == name), None)

    def perform(self, step: PlannedStep, check_cancelled: CancellationCheck = _never) -> str:
        """Carry a step out; returns its figures.

        Args:
            step: The step.
            check_cancelled: Called in every wait; raises when the operation is to stop.
        """
        actions: dict[str, Action] = {
            table.RECONCILE: self._reconcile,
            table.REATTACH: lambda _: self._reattach(),
            table.MIGRATE: self._migrate,
            table.RENEW: self._renew,
            table.FINALIZE: lambda _: self._finalize(),
            table.RESTORE: lambda _: self.restore(),
        }
        row = table.find_step(step.name)
        if step.name in self.preparations:
            return self.preparations[step.name](check_cancelled)
        if step.stage is not None:
            return self._transition(check_cancelled).to(step.stage)
        return row.act(self, check_cancelled) if row.act else actions[step.name](check_cancelled)

    def still_as_planned(self) -> None:
        """The plan was made before the lock was taken; someone may have been faster.

        Raises:
            PlanOutdated: When another release serves by now.
            UsageError: When a job of another one is running.
        """
        observed = observe(self.site)
        live = observed.live
        if (live.id if live else "") != self.plan.live:
            raise PlanOutdated(
                f"{self.plan.environment} changed since the plan was made: "
                f"{live.id if live else 'nothing'} is live now",
                remedy="look at `inv status`, and run the command again",
            )
        for item in observed.state.role(Role.JOB):
            if item.running and item.release != self.plan.release:
                raise UsageError(
                    f"job {item.service} of release {item.release} is still running on "
                    f"{self.name}; nothing was changed",
                    remedy=f"wait for its end, or stop it there: `docker stop {item.name}`",
                )

    def restore(self) -> str:
        """Bring the old release back, or stop the new one where nothing served before.

        A host whose connection was cut, or whose engine is starting, is waited for.
        """
        return retry(self._restore, self.engine.wait, self.site.rollout.reconnect)

    def stand_in(self) -> bool:
        """Send users to the old release at once, where it stands by healthy; whether it did.

        The rest of the way back is for `restore`, which does it again where this failed.
        """
        with if_possible():
            return self._transition(_never).stand_in()
        return False

    def unserved(self) -> str:
        """Why users of the host do not get the release; empty when they do.

        What died in the end, an app or the router, is started once more. After an abort it is the
        release before that they should get, if there was one.
        """
        if self.plan.kind == "abort" and self.plan.old is None:
            return ""
        release, slot = self._promised
        context = self._context(release, slot, _never)
        fault = serving_fault(context)
        if not fault:
            return ""
        try:
            restart_router(self.engine, release)
            self.engine.start(release, slot, release.counts(Role.APP))
            limit = self.site.rollout.health_timeout
            pass_gate(Health(limit, (Role.ROUTER,)), replace(context, slot=""))
            pass_gate(Health(limit), context)
        except GateFailed as error:
            return error.message
        return serving_fault(context)

    @property
    def _promised(self) -> tuple[Release, str]:
        """What users should get at the end, and its slot."""
        plan = self.plan
        if plan.kind == "abort" and plan.old and plan.old_slot:
            return plan.old, plan.old_slot
        return self._release, plan.slot

    def _stop_jobs(self) -> str:
        stopped = self.engine.stop_jobs(self.plan.release)
        return f"stopped {', '.join(stopped)}, which was still running" if stopped else ""

    def _restore(self) -> str:
        old = self.plan.old
        renewed, is_put_back = renewal.Services(), False
        # First: the router must not refuse its way back for a certificate.
        with if_possible():
            renewed = renewal.revert(self.site)
            is_put_back = True
        done: list[str] = []
        if old:
            # Backing services, workers and logs have time; users have none.
            self.stand_in()
            # A database that is well is not restarted once more on the way back.
            done = self.engine.reconcile(old, renewed, spare=True)
        if is_put_back:
            with if_possible():
                renewal.commit(self.site)
        else:
            # The record has the only copy of them: the next operation needs it.
            done.append("certificates and secrets were not put back")
        try:
            figures = self._go_back_to(old)
        except TowlineError:
            # Unless the old release cannot live with it as it is.
            if old is None or not self.engine.reconcile(old, renewed):
                raise
            figures = self._go_back_to(old)
        serving = f"{old.id} serves" if old else "the new release is stopped"
        return "; ".join(filter(None, [serving, *done, figures, self._stop_jobs()]))

    def _go_back_to(self, old: Release | None) -> str:
        counts = old.counts(Role.APP) if old else {}
        transition = self._transition(_never)
        batches = transition.way_back(counts)
        if batches:
            # They are removed one by one; what they printed says why.
            with if_possible():
                keep_logs(self.site, self.engine, self.plan, self.since)
        for stage in batches:
            transition.to(stage)
        return transition.to(restore(counts, self.site.rollout.health_timeout))

    @property
    def _release(self) -> Release:
        release = self.site.store.get(self.plan.release)
        if release is None:
            raise TowlineError(f"release {self.plan.release} is not retained on {self.name}")
        return release

    def _context(
        self, release: Release, slot: str, check_cancelled: CancellationCheck
    ) -> GateContext:
        folder = self.site.project.deploy_tree
        return GateContext(
            self.engine, release, slot, folder, check_cancelled,
            say=self._tell, keep=self._keep, since=self.since,
        )  # fmt: skip

    def _keep(self, gate: str, verdict: Verdict) -> None:
        where = {"host": self.name} if self.site.remote else {}
        self.keep({**where, **verdict.data(gate)})

    def _persistent_health(self, release: Release, check_cancelled: CancellationCheck) -> str:
        """Wait until backing services and the router are healthy."""
        roles = (Role.BACKING, Role.ROUTER)
        if not release.named(*roles):
            return ""
        health = Health(self.site.rollout.health_timeout, roles)
        return pass_gate(health, self._context(release, "", check_cancelled))

    def _tell(self, text: str) -> None:
        self.say(f"{self.name}: {text}" if self.site.remote else text)

    def _reconcile(self, check_cancelled: CancellationCheck) -> str:
        release, renewed = self._release, renewal.Services()
        if self.plan.kind == "deploy":
            renewed = renewal.place(self.site, release, renewal.find(self.site, release))
        own(self.site, release)
        done = self._reconcile_to(release, renewed)
        figures = self._persistent_health(self._release, check_cancelled)
        return "; ".join(filter(None, [*done, figures]))

    def _reconcile_to(self, release: Release, renewed: renewal.Services) -> list[str]:
        engine = self.engine
        return engine.reconcile(release, renewed) if renewed else engine.reconcile(release)

    def _renew(self, check_cancelled: CancellationCheck) -> str:
        """Renew certificates and secrets of the live release, or leave all as it was."""
        site, release = self.site, self._release
        found = self.renewed or renewal.find(site, release)
        services = renewal.place(site, release, found)
        if self.renewed and release.router:
            services.setdefault(release.router, [])
        try:
            done = self.engine.renew(release, services)
            figures = self._persistent_health(release, check_cancelled)
        except Exception:
            back = renewal.revert(site)
            # Why it failed is told, and not what else did.
            with if_possible():
                self.engine.renew(release, back)
                renewal.commit(site)
            raise
        renewal.commit(site)
        return "; ".join(filter(None, [*done, figures]))

    def _reattach(self) -> str:
        detached = self.site.engine.detached(self.site.engine.observe())
        return self.site.engine.reattach(detached) if detached else "done already"

    def _migrate(self, check_cancelled: CancellationCheck) -> str:
        release = self._release
        names = release.named(Role.JOB)
        for name in names:
            self._run_job(release, name, check_cancelled)
        return f"{', '.join(names)} done"

    def _run_job(self, release: Release, name: str, check_cancelled: CancellationCheck) -> None:
        given = release.settings(name).timeout
        limit = self.site.rollout.job_timeout if given is None else given
        try:
            self.engine.run_job(
                release, self.plan.slot, name, timeout=limit, check_cancelled=check_cancelled
            )
        except JobFailed as error:
            raise with_log(self.site, release, name, error) from None

    def _finalize(self) -> str:
        store, plan = self.site.store, self.plan
        store.mark(self._release, Status.GOOD)
        renewal.commit(self.site)
        if plan.kind == "rollback" and plan.old:
            store.mark(plan.old, Status.BAD, self.reason or "rolled back")
        return "; ".join(prune(self.site, self._release, self.site.rollout.keep))

    def _transition(self, check_cancelled: CancellationCheck) -> Transition:
        plan, site = self.plan, self.site
        new = site.store.get(plan.release)
        old = (plan.old, plan.old_slot) if plan.old and plan.old_slot else None
        return Transition(
            self.engine,
            self._context(new, plan.slot, check_cancelled) if new else None,
            self._context(*old, check_cancelled) if old else None,
            site.rollout,
            check_cancelled,
        )
