"""The operations people ask for, each a plan and the executor that carries it out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from towline.config.services import Role
from towline.environments import renewal
from towline.environments.host_environment import (
    EnvironmentState,
    Fleet,
    HostEnvironment,
    observe,
    require_managed,
)
from towline.errors import UsageError
from towline.progress import Progress
from towline.rollout import arrivals, bringing, by_hand, forecast, interrupted
from towline.rollout.continuation import find_continuation, is_touched
from towline.rollout.deploy_inputs import (
    Identifiers,
    from_retained,
    promoted,
    read_baseline,
    read_manifest,
    retained_version,
)
from towline.rollout.failure_logs import mark_bad
from towline.rollout.forecast import Wanted, find_effects
from towline.rollout.host_rollout import HostRollout
from towline.rollout.plan import Plan, PlannedStep
from towline.rollout.planner import (
    PlanInputs,
    plan_deploy,
    plan_migration,
    plan_renewal,
    plan_rollback,
    short,
)
from towline.rollout.prepare import preparation
from towline.rollout.schema_guard import SchemaVerdict, judge_rollback
from towline.rollout.stages import Stage, StrategySettings
from towline.rollout.steps import table
from towline.state import hold
from towline.state.journal import Unfinished
from towline.state.releases import Release, Status
from towline.versions.version import parse

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


def deploy(fleet: Fleet, *, version: str = "", host: str = "") -> Operation:
    """Deploy the promoted release, or a retained one by its version.

    Args:
        fleet: The environment on all its hosts.
        version: A retained release to deploy again; it is brought to hosts that lack it.
        host: Only this host gets something: what serves on the others.

    Raises:
        UsageError: When nothing was promoted, or the version is not to be had.
        CheckFailed: When the deploy tree was changed by hand, or an operation was interrupted.
    """
    interrupted.refuse(fleet)
    if host:
        return _deploy_to(fleet, host, version)
    if version and not _is_promoted(fleet.lead, version):
        source, target = bringing.find(fleet, version)
        parts = tuple(fleet.each(lambda site: _again(site, source, target)))
    else:
        called = _identifiers(fleet)
        parts = tuple(fleet.each(lambda site: _deploy(site, "", called)))
    return Operation(
        _with_warnings(parts),
        respects_hold=not version,
        without=_left_out(fleet),
        begins={"by_version": True} if version else {},
    )


def _deploy_to(fleet: Fleet, host: str, version: str) -> Operation:
    """Bring one host to what serves on the others; these do nothing."""
    site = next((item for item in fleet.sites if item.host.name == host), None)
    if site is None:
        raise UsageError(
            f"--host: {host} is no host of {fleet.lead.name}",
            remedy=f"hosts: {', '.join(item.host.name for item in fleet.sites)}",
        )
    if version:
        raise UsageError(
            "--host brings what serves elsewhere, and --version names a release",
            remedy="leave one of them out",
        )
    source, target = bringing.live_elsewhere(fleet, site)

    def part(item: HostEnvironment) -> HostRollout:
        # Journal and lock are the lead's, whichever host gets something.
        return _again(item, source, target) if item is site else bringing.idle(item, target)

    return Operation(tuple(fleet.each(part)), without=_left_out(fleet))


def _is_promoted(site: HostEnvironment, version: str) -> bool:
    return str(parse(version)) == read_manifest(site).version


def _again(site: HostEnvironment, source: HostEnvironment, target: Release) -> HostRollout:
    """Deploy a retained release once more; from another host where this one lacks it."""
    observed = require_managed(site)
    own = bringing.counterpart(site, target)
    if own:
        candidate = from_retained(site, own)
        inputs = _plan_inputs(site, observed, forecast.retained(site, own))
        plan = plan_deploy(inputs, candidate, site.rollout)
        return HostRollout(site, plan, arrivals.again(site, candidate))
    bring = bringing.Bringing(source, target, site)
    inputs = _plan_inputs(site, observed, bring.wanted())
    plan = plan_deploy(inputs, bringing.candidate(source, target), site.rollout)
    return HostRollout(site, plan, {table.PREPARE: bring})


def resume(fleet: Fleet) -> Operation:
    """Go on with the deploy or rollback that was interrupted, to its end.

    Raises:
        UsageError: When there is none, or its release is not to be had any more.
    """
    left = interrupted.require(fleet)
    if left.pause:
        raise interrupted.paused(fleet.lead, left, left.pause)
    if left.kind == "abort":
        return abort(fleet)
    if left.kind == "rollback":
        why = hold.after_rollback(left.before, left.reason)
        seen = observe(fleet.lead)
        is_begun = find_continuation(fleet.lead.store, seen, left) is not None
        if is_begun or seen.live == fleet.lead.store.get(left.release):
            # Only the rest of it is missing, which a deploy of that release knows how to do.
            rest = fleet.each(lambda site: _deploy(site, left.release, None, left))
            parts = [_as_rollback(part, left) for part in rest]
        else:
            parts = fleet.each(
                lambda site: _rollback(site, left.release, left.reason, keep_schema=True)
            )
        return Operation(tuple(parts), hold_reason=why, ends=left, without=_left_out(fleet))
    return go_on(fleet, left)


def _as_rollback(part: HostRollout, left: Unfinished) -> HostRollout:
    """The rest of a rollback: it pauses nowhere, and what it leaves is bad."""
    old = part.plan.old
    if old is None or old.id != left.before:
        return part
    return replace(part, plan=replace(part.plan, kind="rollback"), reason=left.reason)


def go_on(fleet: Fleet, left: Unfinished) -> Operation:
    """The rest of a deploy that did not end.

    Args:
        fleet: The environment on all its hosts.
        left: The deploy; what it `passed` is left to the person who said so.

    Raises:
        UsageError: When its release is not to be had any more.
    """
    retained = all(site.store.get(left.release) for site in fleet.sites)
    called = _identifiers(fleet)
    parts = fleet.each(lambda site: _deploy(site, left.release if retained else "", called, left))
    whole = interrupted.all_for(parts, left.release)
    given = {"passed": left.passed, "full": left.full, "before": left.before}
    named = {"by_version": True} if left.by_version else {}
    return Operation(
        whole,
        respects_hold=not left.by_version,
        ends=left,
        without=_left_out(fleet),
        begins={**named, **(given if left.passed else {})},
    )


def promote(fleet: Fleet, *, full: bool = False, reason: str = "") -> Operation:
    """Let a paused deploy go on: to the next stage, or to all traffic at once.

    Args:
        fleet: The environment on all its hosts.
        full: To all traffic at once.
        reason: Why, for the journal.

    Raises:
        UsageError: When nothing is paused.
    """
    operation = go_on(fleet, by_hand.let_pass(fleet, full=full, reason=reason))
    return replace(operation, parts=tuple(replace(p, reason=reason) for p in operation.parts))


def abort(fleet: Fleet) -> Operation:
    """Roll back the deploy or rollback that was interrupted: what served before serves alone.

    Raises:
        UsageError: When there is none.
    """
    left = interrupted.require(fleet)
    return _go_back(fleet, left, left.hold, left.reason if left.hold else "")


def _go_back(fleet: Fleet, left: Unfinished, why: str, reason: str) -> Operation:
    """The way back from an operation; `why` the environment is held then, if a person said so."""
    parts = fleet.each(interrupted.abort_on_host(left))
    return Operation(
        tuple(replace(part, reason=reason) for part in parts),
        hold_reason=why,
        ends=left,
        without=_left_out(fleet),
        # Killed on its way, it holds the environment all the same when it is resumed.
        begins={"hold": why} if why else {},
    )


def reload_certificates(fleet: Fleet, *, force: bool = False) -> Operation:
    """Bring the certificates that are here to all hosts, and let their routers read them.

    Args:
        fleet: The environment on all its hosts.
        force: Also where the host's was issued later, or was changed there.

    Raises:
        UsageError: When nothing is live, or it has no router.
    """
    interrupted.refuse(fleet)
    parts = tuple(fleet.each(lambda site: _reload_certificates(site, force)))
    return Operation(parts, without=_left_out(fleet))


def migrate(fleet: Fleet) -> Operation:
    """Run the migration jobs of the promoted release; traffic does not move.

    Raises:
        UsageError: When nothing was promoted, or no service has role `job`.
        CheckFailed: When a deploy or rollback was interrupted: its end comes first.
    """
    interrupted.refuse(fleet)
    return Operation(tuple(fleet.each(_migrate)), without=_left_out(fleet))


def rollback(
    fleet: Fleet,
    *,
    version: str = "",
    reason: str = "",
    keep_schema: bool = False,
    force: bool = False,
) -> Operation:
    """Roll back to the previous good release, or to a kept one by its version.

    While two releases share the traffic, the one before gets all of it.

    Args:
        fleet: The environment on all its hosts.
        version: The release to go to.
        reason: Why; recorded with the release that is left.
        keep_schema: Go back although the schema changed, or nobody knows whether it did.
        force: In an emergency: leave backing services as they are, well or not, whatever the
            schema, and begin a new journal where the old one is damaged. The release to roll back
            to must be healthy all the same.

    Raises:
        UsageError: When there is none to roll back to, or the schema changed and nobody said what
            to do about it.
    """
    # Asked once: what runs now may be paused a moment later.
    left = by_hand.find_left(fleet, force=force)
    undone = by_hand.undo(fleet, left, version, force=force)
    if undone:
        reason = reason or (undone.reason if undone.hold else "")
        return _go_back(fleet, undone, hold.after_rollback(undone.release, reason), reason)
    keep_schema = keep_schema or force
    # All hosts go to the release that the first one finds.
    first = _rollback(fleet.lead, version, reason, keep_schema=keep_schema)
    target = first.plan.release
    question = "" if keep_schema else _judge(fleet.lead, first.plan).question

    wanted = fleet.lead.store.get(target)

    def part(site: HostEnvironment) -> HostRollout:
        if site is fleet.lead or wanted is None:
            return first
        return _rollback_to(site, fleet.lead, wanted, reason, keep_schema=keep_schema)

    why = hold.after_rollback(first.plan.live, reason)
    parts = tuple(fleet.each(part))
    if force:
        parts = tuple(replace(part, plan=_without_reconciling(part.plan)) for part in parts)
    return Operation(
        parts,
        hold_reason=why,
        supersedes=True,
        seen=left,
        forced=force,
        schema_question=question,
        without=_left_out(fleet),
    )


def _judge(site: HostEnvironment, plan: Plan) -> SchemaVerdict:
    """What the schema guard says to a planned rollback."""
    releases = {item.id: item for item in site.store.all()}
    return judge_rollback(releases.get(plan.live), releases[plan.release], [*releases.values()])


def _left_out(fleet: Fleet) -> tuple[str, ...]:
    return tuple(item.host for item in fleet.away)


def _commands(count: int) -> str:
    return f"{count} command" if count == 1 else f"{count} commands"


def _without_reconciling(plan: Plan) -> Plan:
    steps = tuple(step for step in plan.steps if step.name != table.RECONCILE)
    return replace(plan, steps=steps, strategy="emergency")


def _with_warnings(parts: tuple[HostRollout, ...]) -> tuple[HostRollout, ...]:
    """Hosts may have different images under one tag; the release is the same in name only."""
    odd = []
    for service in parts[0].plan.images:
        images = {part.name: part.plan.images.get(service, "") for part in parts}
        # What has no digest yet is brought to all of them from one place.
        if len({image for image in images.values() if "sha256:" in image}) > 1:
            each = ", ".join(f"{host} has {short(image)}" for host, image in images.items())
            odd.append(f"{service} is not the same image on all hosts: {each}")
    hint = ("`promote.pin_images: true` makes them one at the next promotion",) if odd else ()
    return tuple(
        replace(
            part,
            plan=replace(part.plan, warnings=(*part.plan.warnings, *odd, *hint)),
        )
        for part in parts
    )


def _identifiers(fleet: Fleet) -> Identifiers:
    """What releases are called; the lead's identifiers count where hosts differ."""
    found = fleet.each(lambda site: site.store.all())
    known = {item.fingerprint: item.id for items in reversed(found) for item in items}
    return Identifiers(known, frozenset(item.id for items in found for item in items))


def _deploy(
    site: HostEnvironment,
    version: str,
    called: Identifiers | None = None,
    left: Unfinished | None = None,
) -> HostRollout:
    """One host's part in a deploy, or in the rest of one that did not end."""
    observed = require_managed(site)
    rollout = interrupted.settings_of(site, left)
    at = find_continuation(site.store, observed, left)
    touched = at is not None or is_touched(observed, left)
    target = _retained_target(site, version, left)
    if target:
        again = from_retained(site, target)
        inputs = _plan_inputs(site, observed, forecast.retained(site, target))
        plan = plan_deploy(inputs, again, rollout, at)
        return HostRollout(site, plan, arrivals.again(site, again), touched=touched)
    found = promoted(site, observed.live, resolve=False, identifiers=called)
    inputs = _plan_inputs(site, observed, forecast.candidate(site, found.candidate, found.bundle))
    plan = plan_deploy(inputs, found.candidate, rollout, at)
    if found.candidate.retained:
        prepared = arrivals.again(site, found.candidate)
        return HostRollout(site, plan, prepared, touched=touched)
    return HostRollout(site, plan, preparation(site, found).actions(), touched=touched)


def _retained_target(
    site: HostEnvironment, version: str, left: Unfinished | None
) -> Release | None:
    """The retained release to deploy; None where it is the promoted one, or has to be built."""
    if not version:
        return None
    if left is None:
        return None if _is_promoted(site, version) else retained_version(site, version)
    # What was begun goes on as it is, whatever the tree and the variables are here and now.
    target = retained_version(site, version)
    is_whole = arrivals.lost_if_complete(site, target) is not None
    return target if is_whole or not _is_promoted(site, target.version) else None


def _reload_certificates(site: HostEnvironment, force: bool) -> HostRollout:
    observed = require_managed(site)
    live = observed.live
    if live is None or live.router is None:
        what = "nothing is live" if live is None else f"{live.id} has no router"
        raise UsageError(
            f"{what} in {site.name} on {site.host.name}: there is no certificate to reload",
            remedy=f"`inv deploy --env {site.name}` brings a release and its certificates",
        )
    found = renewal.find(site, live, only=[live.router], force=force)
    # Always: whoever asks may have renewed it on the host.
    renewed = {live.router: found.services().get(live.router, [])}
    inputs = replace(_plan_inputs(site, observed, None), renewed=renewed, notes=tuple(found.said))
    return HostRollout(site, plan_renewal(inputs, live), renewed=found)


def _migrate(site: HostEnvironment) -> HostRollout:
    observed = require_managed(site)
    found = promoted(site, observed.live, resolve=False)
    if not found.candidate.named(Role.JOB):
        raise UsageError(
            "no service has role `job`",
            remedy="give your migration service `x-towline: {role: job}`",
        )
    wanted = forecast.candidate(site, found.candidate, found.bundle)
    inputs = _plan_inputs(site, observed, wanted, renews=False)
    plan = plan_migration(inputs, found.candidate)
    again = arrivals.again(site, found.candidate)
    prepared = again if found.candidate.retained else preparation(site, found).actions()
    return HostRollout(site, plan, prepared)


def _rollback(
    site: HostEnvironment, version: str, reason: str, *, keep_schema: bool
) -> HostRollout:
    observed = require_managed(site)
    live = observed.live
    target = (
        retained_version(site, version, other_than=live.id if live else "") if version else None
    )
    target = target or find_previous(site, live)
    if live and target.id == live.id:
        raise UsageError(
            f"{target.id} is live already",
            remedy=f"`inv status --env {site.name}` shows what is retained",
        )
    schema = judge_rollback(live, target, site.store.all())
    if not keep_schema:
        schema.refuse_changed()
    candidate = from_retained(site, target)
    inputs = _plan_inputs(site, observed, forecast.retained(site, target), renews=False)
    plan = plan_rollback(inputs, candidate, target)
    plan = replace(plan, warnings=(*plan.warnings, *schema.warnings()))
    return HostRollout(site, plan, arrivals.again(site, candidate), reason=reason)


def _rollback_to(
    site: HostEnvironment,
    source: HostEnvironment,
    target: Release,
    reason: str,
    *,
    keep_schema: bool,
) -> HostRollout:
    """What another host than the first does: it may serve that release, or lack it."""
    observed, own = require_managed(site), bringing.counterpart(site, target)
    live = observed.live
    if live and own and live.id == own.id:
        return bringing.idle(site, own)
    if own:
        return _rollback(site, own.id, reason, keep_schema=keep_schema)
    bring = bringing.Bringing(source, target, site)
    inputs = _plan_inputs(site, observed, bring.wanted(), renews=False)
    plan = plan_rollback(inputs, bringing.candidate(source, target), target)
    first = PlannedStep(table.PREPARE, f"bring {target.id} from {source.host.name}")
    plan = replace(plan, steps=(first, *plan.steps))
    return HostRollout(site, plan, {table.PREPARE: bring}, reason=reason)


def _plan_inputs(
    site: HostEnvironment, observed: EnvironmentState, wanted: Wanted | None, *, renews: bool = True
) -> PlanInputs:
    """What a plan is made from.

    Args:
        site: The environment on one host.
        observed: What is there.
        wanted: What its persistent services are to be brought to; None where nothing is.
        renews: Whether host files that differ are renewed, as a deploy does.
    """
    name = site.project.settings.project
    live = observed.live
    found = renewal.find(site, live) if live and renews else renewal.Renewal()
    before, notes, renewed = read_baseline(site, live), tuple(found.said), found.services()
    effects = find_effects(site, observed, wanted, renewed) if wanted else ()
    return PlanInputs(
        name, site.name, site.state, observed, before, site.engine.commands,
        effects, renewed, notes, _strategy_settings(site),
    )  # fmt: skip


def _strategy_settings(site: HostEnvironment) -> StrategySettings:
    environment = site.environment
    return StrategySettings(
        site.rollout,
        environment.smoke,
        environment.analysis,
        url=environment.url,
        insecure=environment.insecure,
    )


def find_previous(site: HostEnvironment, live: Release | None) -> Release:
    """The newest good release before the live one; the one standing by is as good as any other.

    Raises:
        UsageError: When there is none.
    """
    good = [item for item in site.store.all() if item.status is Status.GOOD]
    older = [item for item in good if live is None or item.order < live.order]
    if not older:
        raise UsageError(
            f"there is no good release to roll back to in {site.name} on {site.host.name}",
            remedy=f"`inv rollback --env {site.name} --list-versions` shows what is retained",
        )
    return older[-1]
