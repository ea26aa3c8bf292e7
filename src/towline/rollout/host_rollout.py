"""One host's part in an operation: the same steps as the others, by its own plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from towline.config.services import Role
from towline.engines.base import Engine
from towline.engines.job_failure import JobFailed
from towline.environments import renewal
from towline.environments.fence import fenced, if_possible, now
from towline.environments.host_files import own
from towline.environments.renewal import Renewal
from towline.environments.site import Site, observe
from towline.errors import TowlineError, UsageError
from towline.hosts.waiting import insist
from towline.rollout.gates.base import GateContext, GateFailed, Verdict, pass_gate
from towline.rollout.gates.containers import serving_fault
from towline.rollout.gates.health import Health
from towline.rollout.plan import Plan, PlannedStep
from towline.rollout.retention import prune
from towline.rollout.schedules import restore
from towline.rollout.serving import restart_router
from towline.rollout.steps import table
from towline.rollout.steps.table import Phase
from towline.rollout.transition import Transition
from towline.state.lock import silent
from towline.state.releases import Release, Status

Tick = Callable[[], None]
Action = Callable[[Tick], str]

_LOG_LINES = 200
_SHOWN_LINES = 8


class PlanOutdated(UsageError):
    """The environment changed since the plan was made; a new plan may do."""


def _never() -> None:
    """Nobody can stop what goes back."""


@dataclass
class HostRollout:
    """One host in an operation.

    Attributes:
        preparations: Actions for the steps of phase `prepare`; what takes long in one asks `tick`.
        reason: Why a person rolls back; kept with the release that is left.
        tick: Called in every wait; raises when the operation is to stop.
        say: Tells people what it waits for.
        touched: Whether anything on the host may have changed.
        since: When the operation began, by `fence.now`.
        renewed: What of the host's own files to renew; all that differ when not given.
    """

    site: Site
    plan: Plan
    preparations: Mapping[str, Action] = field(default_factory=dict)
    reason: str = ""
    tick: Callable[[], None] = _never
    say: Callable[[str], None] = silent
    touched: bool = False
    since: float = field(default_factory=now)
    renewed: Renewal | None = None
    _verdicts: list[dict[str, Any]] = field(default_factory=list)

    def take_verdicts(self) -> list[dict[str, Any]]:
        """What gates said since the last time, for the journal."""
        taken, self._verdicts = self._verdicts, []
        return taken

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

    def perform(self, step: PlannedStep) -> str:
        """Carry a step out; returns its figures."""
        actions: dict[str, Callable[[], str]] = {
            table.RECONCILE: self._reconcile,
            table.REATTACH: self._reattach,
            table.MIGRATE: self._migrate,
            table.RENEW: self._renew,
            table.FINALIZE: self._finalize,
            table.RESTORE: self.restore,
        }
        row = table.find_step(step.name)
        self.tick()
        if row.phase is not Phase.PREPARE and not row.reverts_itself:
            self.touched = True
        if step.name in self.preparations:
            return self.preparations[step.name](self.tick)
        if step.stage is not None:
            return self._transition(self.tick).to(step.stage)
        return row.act(self) if row.act else actions[step.name]()

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
        for item in observed.world.role(Role.JOB):
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
        return insist(self._restore, self.engine.wait, self.site.rollout.reconnect)

    def stand_in(self) -> bool:
        """Send users to the old release at once, where it stands by healthy; whether it did.

        The rest of the way back is for `restore`, which does it again where this failed.
        """
        with if_possible():
            return self._transition(_never).stand_in()
        return False

    def unserved(self) -> str:
        """Why users of the host do not get the release; empty when they do.

        What died in the end, an app or the router, is started once more.
        """
        release = self._release
        context = self._context(release, self.plan.colour, _never)
        fault = serving_fault(context)
        if not fault:
            return ""
        try:
            restart_router(self.engine, release)
            self.engine.start(release, self.plan.colour, release.counts(Role.APP))
            limit = self.site.rollout.health_timeout
            pass_gate(Health(limit, (Role.ROUTER,)), replace(context, slot=""))
            pass_gate(Health(limit), context)
        except GateFailed as error:
            return error.message
        return serving_fault(context)

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
        return self._transition(_never).to(restore(counts, self.site.rollout.health_timeout))

    def keep_logs(self) -> list[str]:
        """Save what the new containers printed; returns the last lines to show."""
        release = self.site.store.get(self.plan.release)
        redact = self.site.redactor.redact
        shown: list[str] = []
        where = f" on {self.name}" if self.site.remote else ""
        for item in self.engine.observe().of(self.plan.colour):
            if release is None or item.release != release.id:
                continue
            lines = [redact(line) for line in self.engine.logs(item, _LOG_LINES)]
            path = release.folder / "logs" / f"{item.name}.log"
            with if_possible():
                self.site.files.write(path, ("\n".join(lines) + "\n").encode(), 0o600)
            if lines and item.role == Role.APP:
                # What it printed long ago, as a standby, does not explain this failure.
                recent = self.engine.logs(item, _SHOWN_LINES, now() - self.since)
                title = f"last lines of {item.name}{where} (more in {path}):"
                shown += [title] if recent else []
                shown += [f"  {redact(line)}" for line in recent]
        return shown

    def mark_bad(self, reason: str) -> None:
        """Keep in mind that the release failed."""
        release = self.site.store.get(self.plan.release)
        if release:
            with if_possible():
                self.site.store.mark(release, Status.BAD, reason)

    @property
    def _release(self) -> Release:
        release = self.site.store.get(self.plan.release)
        if release is None:
            raise TowlineError(f"release {self.plan.release} is not kept on {self.name}")
        return release

    def _context(self, release: Release, slot: str, tick: Callable[[], None]) -> GateContext:
        folder = self.site.project.deploy_tree
        return GateContext(
            self.engine, release, slot, folder, tick,
            say=self._tell, keep=self._keep, since=self.since,
        )  # fmt: skip

    def _keep(self, gate: str, verdict: Verdict) -> None:
        where = {"host": self.name} if self.site.remote else {}
        self._verdicts.append({**where, **verdict.data(gate)})

    def _persistent_health(self, release: Release) -> str:
        """Wait until backing services and the router are healthy."""
        roles = (Role.BACKING, Role.ROUTER)
        if not release.named(*roles):
            return ""
        health = Health(self.site.rollout.health_timeout, roles)
        return pass_gate(health, self._context(release, "", self.tick))

    def _tell(self, text: str) -> None:
        self.say(f"{self.name}: {text}" if self.site.remote else text)

    def _reconcile(self) -> str:
        release, renewed = self._release, renewal.Services()
        if self.plan.kind == "deploy":
            renewed = renewal.place(self.site, release, renewal.find(self.site, release))
        own(self.site, release)
        done = self._reconcile_to(release, renewed)
        figures = self._persistent_health(self._release)
        return "; ".join(filter(None, [*done, figures]))

    def _reconcile_to(self, release: Release, renewed: renewal.Services) -> list[str]:
        engine = self.engine
        return engine.reconcile(release, renewed) if renewed else engine.reconcile(release)

    def _renew(self) -> str:
        """Renew certificates and secrets of the live release, or leave all as it was."""
        site, release = self.site, self._release
        found = self.renewed or renewal.find(site, release)
        services = renewal.place(site, release, found)
        if self.renewed and release.router:
            services.setdefault(release.router, [])
        try:
            done = self.engine.renew(release, services)
            figures = self._persistent_health(release)
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

    def _migrate(self) -> str:
        release = self._release
        names = release.named(Role.JOB)
        for name in names:
            self._run_job(release, name)
        return f"{', '.join(names)} done"

    def _run_job(self, release: Release, name: str) -> None:
        given = release.settings(name).timeout
        limit = self.site.rollout.job_timeout if given is None else given
        try:
            self.engine.run_job(release, self.plan.colour, name, timeout=limit, tick=self.tick)
        except JobFailed as error:
            raise self._with_log(release, name, error) from None

    def _with_log(self, release: Release, name: str, error: JobFailed) -> JobFailed:
        """The same error, which names the file that all of the job's output was written to."""
        path = release.folder / "logs" / f"{name}.log"
        text = "".join(f"{self.site.redactor.redact(line)}\n" for line in error.log)
        where = f" on {self.name}" if self.site.remote else ""
        with if_possible():
            self.site.files.write(path, text.encode(), 0o600)
            shown = (f"last lines of {name} (all of them: {path}{where}):", *error.details)
            error.details = shown
        return error

    def _finalize(self) -> str:
        store, plan = self.site.store, self.plan
        store.mark(self._release, Status.GOOD)
        renewal.commit(self.site)
        if plan.kind == "rollback" and plan.old:
            store.mark(plan.old, Status.BAD, self.reason or "rolled back")
        return "; ".join(prune(self.site, self._release, self.site.rollout.keep))

    def _transition(self, tick: Callable[[], None]) -> Transition:
        plan, site = self.plan, self.site
        new = site.store.get(plan.release)
        old = (plan.old, plan.old_colour) if plan.old and plan.old_colour else None
        return Transition(
            self.engine,
            self._context(new, plan.colour, tick) if new else None,
            self._context(*old, tick) if old else None,
            site.rollout,
            tick,
        )
