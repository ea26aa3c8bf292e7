"""What to do about an operation that was killed: resume it, or roll it back.

The journal says what was begun and never ended; what serves is always one healthy version.
"""

from collections.abc import Callable

from towline.config.deploy_sections import Rollout, strategy_names
from towline.engines.acts import Effect
from towline.engines.observed import SLOTS, other
from towline.environments import lead_lock, renewal
from towline.environments.host_environment import EnvironmentState, Fleet, HostEnvironment, observe
from towline.errors import CheckFailed, TowlineError, UsageError
from towline.rollout import forecast
from towline.rollout.host_rollout import HostRollout, PlanOutdated
from towline.rollout.plan import Plan, PlannedStep
from towline.rollout.steps import table
from towline.state import hold, lock
from towline.state.journal import Entry, Pause, Unfinished, unfinished
from towline.state.releases import Release, Status

# Other operations leave nothing half done that a deploy would have to ask about.
_KINDS = ("deploy", "rollback", "abort")


def found(fleet: Fleet) -> Unfinished | None:
    """The deploy or rollback that was interrupted; None when there is none, or it is running."""
    left = of_journal(fleet.lead.journal.newest())
    return None if left and _holder(fleet.lead) else left


def of_journal(entries: list[Entry]) -> Unfinished | None:
    """The deploy, rollback or abort that did not end, of whoever does not hold the lock."""
    left = unfinished(entries)
    return left if left and left.kind in _KINDS else None


def _holder(site: HostEnvironment) -> lock.Holder | None:
    return lock.living(site.host.files, site.state.lock)


def refuse(fleet: Fleet) -> None:
    """Refuse to begin something new before somebody chose what becomes of the old.

    Raises:
        CheckFailed: When an operation was interrupted.
    """
    left = found(fleet)
    if left:
        raise unended(fleet.lead, left)


def same(site: HostEnvironment, expected: Unfinished | None) -> None:
    """Make sure, under the lock, that nothing else was interrupted since the plan was made.

    Args:
        site: The environment on the host that has the journal.
        expected: What the operation is to end; None where it begins something new.

    Raises:
        CheckFailed: When another operation was interrupted.
        PlanOutdated: When somebody else ended the one that was to be ended.
    """
    left = of_journal(site.journal.newest())
    if left and (expected is None or left.operation != expected.operation):
        raise unended(site, left)
    if expected and not left:
        raise PlanOutdated(
            f"somebody else ended the interrupted {expected.kind} {expected.release} meanwhile; "
            "nothing was changed",
            remedy=f"`inv status --env {site.name}` shows what serves",
        )


def unchanged(site: HostEnvironment, seen: Unfinished | None) -> None:
    """Make sure, under the lock, that a plan still holds which leaves an interruption behind.

    Where two releases share the traffic now, what was planned before would go one release too far.

    Args:
        site: The environment on the host that has the journal.
        seen: What was interrupted when the plan was made.

    Raises:
        PlanOutdated: When something else was interrupted, or paused, since.
    """
    left = of_journal(site.journal.newest())
    if left and left != seen:
        what = "is paused" if left.pause else "was interrupted"
        raise PlanOutdated(
            f"{left.kind} {left.release} {what} since the plan was made; nothing was changed",
            remedy=f"look at `inv status --env {site.name}`, and run the command again",
        )


def unended(site: HostEnvironment, left: Unfinished) -> CheckFailed:
    """What is said to whoever wants something new before the old has come to an end."""
    if left.pause:
        return paused(site, left, left.pause)
    live = observe(site).live
    name = site.name
    return CheckFailed(
        f"{left.kind} {left.release} was interrupted at step {step_of(left)} ({left.at}); "
        f"{live.id if live else 'nothing'} serves",
        remedy=f"`inv deploy.resume --env {name}` goes on with it, `inv deploy.abort --env {name}` "
        "rolls back; `inv deploy` does that first with --resume or --abort",
    )


def paused(site: HostEnvironment, left: Unfinished, pause: Pause) -> CheckFailed:
    """What is said to whoever wants something else while a deploy is paused."""
    name = site.name
    return CheckFailed(
        f"deploy {left.release} is paused at {pause.share} % of traffic, after step "
        f"{table.current_name(pause.step)}, by {pause.actor} ({pause.at[:16]} UTC)",
        remedy=f"`inv deploy.promote --env {name}` goes on with it, "
        f"`inv deploy.abort --env {name}` rolls it back to {left.before}",
    )


def settings_of(site: HostEnvironment, left: Unfinished | None) -> Rollout:
    """The rollout settings, with the strategy that an unfinished deploy was begun with."""
    if left is None or left.strategy not in strategy_names():
        return site.rollout
    return site.rollout.model_copy(update={"strategy": left.strategy})


def step_of(left: Unfinished) -> str:
    """Where it was, as that step is called today."""
    return table.current_name(left.step) or "begin"


def require(fleet: Fleet) -> Unfinished:
    """The interrupted operation.

    Raises:
        UsageError: When there is none.
        Locked: When somebody still holds the lock, so that it may be running.
    """
    left = of_journal(fleet.lead.journal.newest())
    if left and (holder := _holder(fleet.lead)):
        raise lock.locked(holder)
    if left is None:
        raise UsageError(
            f"nothing was interrupted in {fleet.lead.name}",
            remedy=f"`inv status --env {fleet.lead.name}` shows what serves",
        )
    return left


def refuse_to_deploy_after(fleet: Fleet, version: str) -> None:
    """Refuse to resume a rollback and then to deploy: what was rolled back is held.

    Args:
        fleet: The environment on its hosts.
        version: The release that a person asked for by its version; that is not held.

    Raises:
        CheckFailed: When the deploy could only be refused after the rollback moved traffic.
    """
    left = require(fleet)
    if version or not (left.kind == "rollback" or left.hold):
        return
    name = fleet.lead.name
    if left.hold:
        raise CheckFailed(
            f"rollback to {left.before} was interrupted, and a rollback holds {name}: no deploy "
            "follows it; nothing was changed",
            remedy=f"`inv deploy.resume --env {name}` ends the rollback",
        )
    raise CheckFailed(
        f"rollback {left.release} was interrupted, and a rollback holds {name}: no deploy follows "
        "it; nothing was changed",
        remedy=f"`inv deploy.resume --env {name}` ends the rollback; `inv deploy --abort --env "
        f"{name}` rolls it back and then deploys",
    )


def close(fleet: Fleet, left: Unfinished, *, say: Callable[[str], None] = lock.silent) -> None:
    """Write down that it is done: it was killed after its last step, before it said so.

    Raises:
        Locked: When someone else is running an operation.
    """
    site = fleet.lead
    with lead_lock.held(fleet.sites, f"resume {left.kind} {left.release}", say=say):
        same(site, left)
        if left.kind == "rollback":
            hold.put(site.files, site.state, hold.after_rollback(left.before, left.reason))
        site.journal.write(left.operation, "end", data={"ok": True, "note": "found done"})


def all_for(parts: list[HostRollout], release: str) -> tuple[HostRollout, ...]:
    """The same parts, if all of them lead to one release.

    Raises:
        UsageError: When one does not: what was interrupted is not to be had any more.
    """
    for part in parts:
        if part.plan.release != release:
            raise UsageError(
                f"release {release} was interrupted, and {part.plan.release} is promoted now",
                remedy=f"`inv deploy.abort --env {part.plan.environment}` rolls back first",
            )
    return tuple(parts)


def abort_on_host(left: Unfinished) -> Callable[[HostEnvironment], HostRollout]:
    """How one host rolls back: the release that served before serves again, alone."""

    def part(site: HostEnvironment) -> HostRollout:
        observed = observe(site)
        old = _served_before(site, observed, left)
        slots = {observed.state.release_of(slot): slot for slot in SLOTS}
        fallback = observed.slot or "blue"
        old_slot = slots.get(old.id if old else "", fallback)
        slot = slots.get(left.release, other(old_slot))
        if old and slot == old_slot:
            # It served here before it was brought to another host: nothing of it is stopped.
            slot = other(old_slot)
        title = f"bring {old.id} back" if old else f"stop {left.release}"
        effects, warnings = _foretell(site, observed, old, left.release) if old else ((), ())
        plan = Plan(
            kind="abort",
            project=site.project.settings.project,
            environment=site.name,
            release=left.release,
            version=old.version if old else "",
            commit=old.commit if old else "",
            live=observed.live.id if observed.live else "",
            slot=slot,
            old_slot=old_slot if old else None,
            old=old,
            strategy=f"back from {left.kind} {left.release}",
            steps=(PlannedStep(table.RESTORE, title, effects=effects),),
            warnings=warnings,
        )
        return HostRollout(site, plan)

    return part


def _served_before(
    site: HostEnvironment, observed: EnvironmentState, left: Unfinished
) -> Release | None:
    """What a host goes back to: the journal says what served on the lead, which may differ."""
    slots = {observed.state.release_of(slot): slot for slot in SLOTS}
    slot = slots.get(left.release)
    known = site.store.get(left.before) if left.before else None
    if left.before == left.release:
        # Only one host was to get what the others serve.
        if slot and observed.slot == slot and not observed.routes.share(other(slot)):
            return known
        known = None
    elif left.before in slots:
        return known
    live = observed.live.id if observed.live else ""
    beside = observed.state.release_of(other(slot)) if slot else live
    own = site.store.get(beside) if beside else None
    return own if own and own.status is not Status.BAD else known


def _foretell(
    site: HostEnvironment, observed: EnvironmentState, old: Release, begun: str
) -> tuple[tuple[Effect, ...], tuple[str, ...]]:
    """What the way back does to persistent services, and what to warn of."""
    try:
        wanted, last = forecast.retained(site, old), site.store.get(begun)
        renewed = renewal.pending(site)
        effects = forecast.find_effects(
            site, observed, wanted, renewed, last=last or old, spare=True
        )
    except (OSError, ValueError, TowlineError) as error:
        # The way back must be there whatever is broken.
        return (), (f"nobody can tell what else it restarts on {site.host.name}: {error}",)
    return effects, ()
