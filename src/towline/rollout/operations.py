"""The operations people ask for, each a plan and the executor that carries it out."""

from dataclasses import replace

from towline.environments.host_environment import (
    Fleet,
    HostEnvironment,
    observe,
)
from towline.errors import UsageError
from towline.rollout import bringing, by_hand, interrupted
from towline.rollout.continuation import find_continuation
from towline.rollout.deploy_inputs import (
    Identifiers,
)
from towline.rollout.host_parts import (
    bring_here,
    deploy_on_host,
    is_promoted,
    migrate_on_host,
    reload_on_host,
    roll_back_on_host,
    roll_back_to,
)
from towline.rollout.host_rollout import HostRollout
from towline.rollout.operation import Operation
from towline.rollout.plan import Plan
from towline.rollout.planner import (
    short,
)
from towline.rollout.schema_guard import SchemaVerdict, judge_rollback
from towline.rollout.steps import table
from towline.state import hold
from towline.state.journal import Unfinished


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
    if version and not is_promoted(fleet.lead, version):
        source, target = bringing.find(fleet, version)
        parts = tuple(fleet.each(lambda site: bring_here(site, source, target)))
    else:
        called = _identifiers(fleet)
        parts = tuple(fleet.each(lambda site: deploy_on_host(site, "", called)))
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
        return bring_here(item, source, target) if item is site else bringing.idle(item, target)

    return Operation(tuple(fleet.each(part)), without=_left_out(fleet))


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
            rest = fleet.each(lambda site: deploy_on_host(site, left.release, None, left))
            parts = [_as_rollback(part, left) for part in rest]
        else:
            parts = fleet.each(
                lambda site: roll_back_on_host(site, left.release, left.reason, keep_schema=True)
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
    parts = fleet.each(
        lambda site: deploy_on_host(site, left.release if retained else "", called, left)
    )
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
    parts = tuple(fleet.each(lambda site: reload_on_host(site, force)))
    return Operation(parts, without=_left_out(fleet))


def migrate(fleet: Fleet) -> Operation:
    """Run the migration jobs of the promoted release; traffic does not move.

    Raises:
        UsageError: When nothing was promoted, or no service has role `job`.
        CheckFailed: When a deploy or rollback was interrupted: its end comes first.
    """
    interrupted.refuse(fleet)
    return Operation(tuple(fleet.each(migrate_on_host)), without=_left_out(fleet))


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
    first = roll_back_on_host(fleet.lead, version, reason, keep_schema=keep_schema)
    target = first.plan.release
    question = "" if keep_schema else _judge(fleet.lead, first.plan).question

    wanted = fleet.lead.store.get(target)

    def part(site: HostEnvironment) -> HostRollout:
        if site is fleet.lead or wanted is None:
            return first
        return roll_back_to(site, fleet.lead, wanted, reason, keep_schema=keep_schema)

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
