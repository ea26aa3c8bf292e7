"""What one host does in an operation: its part, planned from what is observed there."""

from dataclasses import replace

from towline.config.services import Role
from towline.environments import renewal
from towline.environments.host_environment import (
    EnvironmentState,
    HostEnvironment,
    require_managed,
)
from towline.errors import UsageError
from towline.rollout import arrivals, bringing, forecast, interrupted
from towline.rollout.continuation import find_continuation, is_touched
from towline.rollout.deploy_inputs import (
    Identifiers,
    from_retained,
    promoted,
    read_baseline,
    read_manifest,
    retained_version,
)
from towline.rollout.forecast import Wanted, find_effects
from towline.rollout.host_rollout import HostRollout
from towline.rollout.plan import PlannedStep
from towline.rollout.planner import (
    PlanInputs,
    plan_deploy,
    plan_migration,
    plan_renewal,
    plan_rollback,
)
from towline.rollout.prepare import preparation
from towline.rollout.schema_guard import judge_rollback
from towline.rollout.stages import StrategySettings
from towline.rollout.steps import table
from towline.state.journal import Unfinished
from towline.state.releases import Release, Status
from towline.versions.version import parse


def is_promoted(site: HostEnvironment, version: str) -> bool:
    """Whether a version is the one of the deploy tree."""
    return str(parse(version)) == read_manifest(site).version


def bring_here(site: HostEnvironment, source: HostEnvironment, target: Release) -> HostRollout:
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


def deploy_on_host(
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
        return None if is_promoted(site, version) else retained_version(site, version)
    # What was begun goes on as it is, whatever the tree and the variables are here and now.
    target = retained_version(site, version)
    is_whole = arrivals.lost_if_complete(site, target) is not None
    return target if is_whole or not is_promoted(site, target.version) else None


def reload_on_host(site: HostEnvironment, force: bool) -> HostRollout:
    """Let the router of the live release read its certificates again.

    Raises:
        UsageError: When nothing is live, or it has no router.
    """
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


def migrate_on_host(site: HostEnvironment) -> HostRollout:
    """Run the jobs of the promoted release.

    Raises:
        UsageError: When it has none.
    """
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


def roll_back_on_host(
    site: HostEnvironment, version: str, reason: str, *, keep_schema: bool
) -> HostRollout:
    """Roll back to a retained release, or to the good one before the live one.

    Args:
        site: The environment on the host.
        version: The release; empty for the one before.
        reason: Why; kept with the release that is left.
        keep_schema: Roll back over a changed schema, too.

    Raises:
        UsageError: When there is none, it is live already, or the schema changed.
    """
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


def roll_back_to(
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
        return roll_back_on_host(site, own.id, reason, keep_schema=keep_schema)
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
