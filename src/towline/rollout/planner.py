"""From config, release and observed state to a plan. Pure: nothing is asked, nothing touched."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from towline.config.deploy_sections import Rollout
from towline.config.services import SCALED, Role
from towline.config.units import format_duration, format_size
from towline.engines.acts import Act, Effect
from towline.engines.commands import Commands
from towline.engines.observed import other
from towline.environments.host_environment import EnvironmentState
from towline.errors import UsageError
from towline.images.registry import split
from towline.promotion.migrations import Migrations, compare_migrations
from towline.rollout.continuation import Continuation
from towline.rollout.plan import Change, Plan, PlannedStep
from towline.rollout.schedules import find_strategies, rollback, transitions
from towline.rollout.schema_guard import deploy_warnings
from towline.rollout.stages import Replicas, Stage, StrategySettings, Workers
from towline.rollout.steps import table
from towline.state.releases import Release, StateFolder, Status

_FIRST = {
    table.START: "start the release, without traffic",
    table.SWITCH: "send all traffic to the release",
}
DIGEST_SHOWN = 19  # "sha256:" and twelve characters


@dataclass(frozen=True)
class Transfer:
    """An image that travels to a host.

    Attributes:
        reference: Its name in the Compose file.
        pinned: Its name by digest, where a registry has it already; it is pulled by that.
        size: Bytes of the layers that the host lacks; None when nobody knows yet.
    """

    reference: str
    pinned: str = ""
    size: int | None = None


@dataclass(frozen=True)
class Candidate:
    """What is to be deployed, as far as it is known before it is built.

    Attributes:
        id: Identifier that the release has, or will get.
        retained: The release, when the host retains it already.
        images: Service -> image reference, pinned where the image exists.
        to_build: Services whose image has to be built.
        to_push: Images that this machine brings to their registry.
        to_pull: Images that the host fetches from a registry, by digest.
        to_ship: Images that travel from this machine to the host, over SSH.
        files: Path in the deploy tree -> SHA-256, without promoted source.
        variables: Name -> value; the values never leave the planner.
        host_files: Path -> digest of the keys and secrets that its app services read.
        roles: Service -> role.
        replicas: App service -> containers; one where none is said.
        schema_jobs: Jobs that may change the schema.
    """

    id: str
    version: str
    commit: str
    fingerprint: str
    retained: Release | None
    images: Mapping[str, str]
    to_build: tuple[str, ...]
    to_pull: tuple[Transfer, ...]
    files: Mapping[str, str]
    variables: Mapping[str, str]
    migrations: Mapping[str, str]
    roles: Mapping[str, Role]
    to_push: tuple[str, ...] = ()
    to_ship: tuple[Transfer, ...] = ()
    schema_jobs: tuple[str, ...] = ()
    host_files: Mapping[str, str] = field(default_factory=dict)
    replicas: Mapping[str, int] = field(default_factory=dict)

    def named(self, *roles: Role) -> list[str]:
        """Names of the services that have one of these roles."""
        return sorted(name for name, role in self.roles.items() if role in roles)


@dataclass(frozen=True)
class Baseline:
    """The live release's side of the comparison."""

    files: Mapping[str, str]
    variables: Mapping[str, str]
    host_files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanInputs:
    """Where a plan is made for.

    Attributes:
        observed: What is there.
        before: What the live release was made of.
        commands: What the engine's acts look like when they are typed.
        effects: What happens to backing services and the router.
        renewed: Backing service or router -> host files, such as a certificate, that differ here.
        notes: What the plan warns of besides.
        settings: What strategies are told.
    """

    project: str
    environment: str
    state: StateFolder
    observed: EnvironmentState
    before: Baseline
    commands: Commands
    effects: tuple[Effect, ...] = ()
    renewed: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    settings: StrategySettings = field(default_factory=StrategySettings)


def fingerprint(
    content: str,
    values: Mapping[str, str],
    rollout: Rollout,
    host_files: Mapping[str, str] | None = None,
    *,
    compose: Sequence[str] = (),
) -> str:
    """Digest of everything that a deploy of a release depends on.

    Args:
        content: The manifest's digest of the promoted tree.
        values: Variables and secrets.
        rollout: Settings.
        host_files: Path -> digest of the keys and secrets that its app services read.
        compose: The Compose files of the environment. A single one adds nothing: releases retained
            from before there could be several were made without its name.
    """
    replicas = rollout.replicas
    if isinstance(replicas, dict):
        replicas = dict(sorted(replicas.items()))
    given: list[object] = [content, sorted(values.items()), replicas]
    given += [sorted(host_files.items())] if host_files else []
    text = json.dumps([*given, {"compose": list(compose)}] if len(compose) > 1 else given)
    return hashlib.sha256(text.encode()).hexdigest()


def require_router(rollout: Rollout, has_router: bool) -> None:
    """Raise UsageError when the strategy needs a router and the compose file has none."""
    if find_strategies()[rollout.strategy].needs_router and not has_router:
        raise UsageError(
            f"{rollout.strategy} needs a router, and the compose file has none",
            remedy="give one service `x-towline: {role: router}`, or use `strategy: recreate`",
        )


def require_uptime(rollout: Rollout, live: Release | None) -> None:
    """Raise UsageError when users may be without service for longer than the environment allows.

    Args:
        rollout: The settings.
        live: The release that serves; where none does, nobody misses it.
    """
    strategy, limit = find_strategies()[rollout.strategy], rollout.max_downtime
    longest = strategy.downtime(rollout)
    if live is None or limit is None or longest <= limit:
        return
    raise UsageError(
        f"{rollout.strategy} may take the service down for up to {format_duration(longest)}, and "
        f"`rollout.max_downtime` is {format_duration(limit)}",
        remedy="use `strategy: blue-green`, `canary` or `rolling`, which take nothing down",
    )


def require_scaled(rollout: Rollout, roles: Mapping[str, Role]) -> None:
    """Raise UsageError when `rollout.replicas` names what is no app and no worker."""
    known = [name for name, role in roles.items() if role in SCALED]
    for name in rollout.replicas if isinstance(rollout.replicas, dict) else ():
        if name not in known:
            what = f"has role {roles[name]}" if name in roles else "is not in the compose file"
            raise UsageError(
                f"`rollout.replicas`: service {name} {what}",
                remedy=f"apps and workers: {', '.join(sorted(known)) or 'none'}",
            )


def plan_deploy(
    inputs: PlanInputs, candidate: Candidate, rollout: Rollout, at: Continuation | None = None
) -> Plan:
    """The plan of a deploy; it has no steps when the release serves already.

    Args:
        inputs: Where it is made for.
        candidate: The release that is to serve.
        rollout: The settings.
        at: Where a deploy of that release in steps goes on.

    Raises:
        UsageError: When the strategy needs a router and the compose file has none, or takes the
            service down for longer than is allowed.
    """
    observed = inputs.observed
    live = observed.live
    require_router(rollout, bool(candidate.named(Role.ROUTER)))
    require_uptime(rollout, live)
    if candidate.retained is None:
        require_scaled(rollout, candidate.roles)
    strategy = find_strategies()[rollout.strategy]
    slot: str = other(observed.slot)
    old, old_slot = live, observed.slot
    steps: list[PlannedStep] = []
    retained = candidate.retained
    is_live = live is not None and retained is not None and live.id == retained.id
    if at:
        old, old_slot, slot = at.old, at.old_slot, at.slot
        finished = is_live = False
        steps = [_reconcile_step("bring backing services and router up", candidate, inputs)]
    elif live and is_live and _whole(observed, live):
        # It has the traffic. What may be missing is the end of an interrupted deploy.
        old, old_slot = observed.standby, slot
        slot = observed.slot or slot
        beside = observed.state.of(old_slot, "app", "worker")
        finished = live.status is Status.GOOD and not any(item.running for item in beside)
    else:
        finished = is_live = False
        steps = _preparations(candidate, slot, inputs)
    replicas = Replicas(_counts(candidate), old.counts(Role.APP) if old else {})
    settings = replace(inputs.settings, rollout=rollout)
    stages = strategy.stages(replicas, settings)
    wanted = at.remaining(stages) if at else stages
    if not at and _serves_some(observed, retained, slot):
        # Its users must not be sent to the release that it replaces, which may have failed.
        wanted = [stage for stage in stages if stage.share == 100]
    steps += [
        _stage_step(before, stage, candidate, slot, inputs)
        for before, stage in transitions(stages, replicas.old)
        if stage in wanted and not finished and (stage.share == 100 or not is_live)
    ]
    if old is None:
        steps = [replace(step, title=_FIRST.get(step.name, step.title)) for step in steps]
    if live and not steps and inputs.renewed:
        return plan_renewal(inputs, live)
    if steps:
        title = f"mark {candidate.id} good, retain the last {rollout.keep} releases"
        steps.append(PlannedStep(table.FINALIZE, title))
    plan = _plan(inputs, candidate, "deploy", rollout.strategy, steps)
    warnings = deploy_warnings(live, candidate.id, candidate.schema_jobs, candidate.migrations)
    if retained and retained.status is Status.BAD:
        warnings = (f"it failed here before: {retained.reason}", *warnings)
    return replace(
        plan,
        slot=slot,
        old=old,
        old_slot=old_slot if old else None,
        warnings=(*warnings, *inputs.notes),
    )


def _serves_some(observed: EnvironmentState, release: Release | None, slot: str) -> bool:
    """Whether a good release has some of the traffic, since a way back to it failed."""
    if release is None or release.status is not Status.GOOD:
        return False
    return observed.state.release_of(slot) == release.id and 0 < observed.routes.share(slot) < 100


def plan_renewal(inputs: PlanInputs, live: Release) -> Plan:
    """The plan of one step: certificates and secrets that the live release's services read again.

    It is no deploy: when it fails it has put back what was there, and nothing else is to be done.
    """
    router = live.router
    done, effects = [], []
    for name, paths in sorted(inputs.renewed.items()):
        how = "reload" if name == router or live.settings(name).reload else "restart"
        files = ", ".join(str(path) for path in paths)
        done.append(f"{how} {name}: {files}" if files else f"{how} {name}")
        if how == "restart":
            changed = tuple(f"{path} changed" for path in paths)
            effects.append(Effect(name, live.settings(name).role, Act.RESTART, changed))
    commands = inputs.commands.route() if router in inputs.renewed else ()
    renewed = dict.fromkeys(path for paths in inputs.renewed.values() for path in paths)
    return Plan(
        kind="reload",
        project=inputs.project,
        environment=inputs.environment,
        release=live.id,
        version=live.version,
        commit=live.commit,
        live=live.id,
        slot=inputs.observed.slot or "",
        old_slot=None,
        old=None,
        strategy="no container is replaced",
        steps=(PlannedStep(table.RENEW, "; ".join(done), commands, effects=tuple(effects)),),
        changes=tuple(Change("file", str(path), "set", "renewed") for path in renewed),
        images=live.images,
        warnings=inputs.notes,
    )


def plan_rollback(inputs: PlanInputs, candidate: Candidate, target: Release) -> Plan:
    """The plan of a rollback: what was retained is started, not built."""
    slot, live = other(inputs.observed.slot), inputs.observed.live
    replicas = Replicas(target.counts(Role.APP), live.counts(Role.APP) if live else {})
    stages = rollback(replicas, inputs.settings)
    left = f" and {live.id} bad" if live else ""
    steps = [
        *_transfers(candidate, inputs.commands),
        _reconcile_step(
            "bring backing services and router to that release's description", candidate, inputs
        ),
        *(
            _stage_step(before, stage, candidate, slot, inputs)
            for before, stage in transitions(stages, replicas.old)
        ),
        PlannedStep(table.FINALIZE, f"mark {target.id} good{left}"),
    ]
    return _plan(inputs, candidate, "rollback", "rollback", steps)


def plan_migration(inputs: PlanInputs, candidate: Candidate) -> Plan:
    """The plan of running the migration jobs alone: no stage, so no traffic moves."""
    steps = _preparations(candidate, other(inputs.observed.slot), inputs)
    return _plan(inputs, candidate, "migrate", "jobs only", steps)


def _plan(
    inputs: PlanInputs, candidate: Candidate, kind: str, strategy: str, steps: list[PlannedStep]
) -> Plan:
    live = inputs.observed.live
    steps = _with_reattachment(inputs, steps)
    return Plan(
        kind=kind,
        project=inputs.project,
        environment=inputs.environment,
        release=candidate.id,
        version=candidate.version,
        commit=candidate.commit,
        live=live.id if live else "",
        slot=other(inputs.observed.slot),
        old_slot=inputs.observed.slot,
        old=live,
        strategy=strategy,
        steps=tuple(steps),
        changes=tuple(changes(live, candidate, inputs.before)) if steps else (),
        images=candidate.images,
    )


def _with_reattachment(inputs: PlanInputs, steps: list[PlannedStep]) -> list[PlannedStep]:
    """Before the first step that touches what runs: services must see what is written for them."""
    detached = inputs.observed.detached
    if not detached or not steps:
        return steps
    title = f"restart {', '.join(detached)}: what they mount was deleted and is another folder now"
    roles = {item.service: item.role for item in inputs.observed.state.persistent()}
    why = ("its mounted folder was deleted",)
    effects = tuple(
        Effect(name, roles.get(name, Role.BACKING), Act.RESTART, why) for name in detached
    )
    at = next((n for n, step in enumerate(steps) if step.name == table.RECONCILE), 0)
    return [*steps[:at], PlannedStep(table.REATTACH, title, effects=effects), *steps[at:]]


def changes(live: Release | None, candidate: Candidate, before: Baseline) -> Iterable[Change]:
    """What differs between the live release and the candidate; variables by name only."""
    yield from _image_changes(live.images if live else {}, candidate)
    if live is None:
        return
    for path in sorted({*before.files, *candidate.files}):
        was, now = before.files.get(path, ""), candidate.files.get(path, "")
        if was != now:
            yield Change("file", path, was[:8], now[:8])
    for name in sorted({*before.variables, *candidate.variables}):
        had, has = before.variables.get(name), candidate.variables.get(name)
        if had != has:
            after = "" if has is None else "set" if had is None else "changed"
            yield Change("variable", name, "" if had is None else "set", after)
    for path in sorted({*before.host_files, *candidate.host_files}):
        had, has = before.host_files.get(path), candidate.host_files.get(path)
        if had != has:
            after = "" if has is None else "set" if had is None else "changed"
            yield Change("secret file", path, "" if had is None else "set", after)
    yield from _migration_changes(live.migrations, candidate.migrations)


def _migration_changes(applied: Migrations, planned: Migrations) -> Iterable[Change]:
    for path in compare_migrations(planned, applied).unknown:
        yield Change("migration", path, "", "new")
    back = compare_migrations(applied, planned)
    for path in back.unknown:
        yield Change("migration", path, "applied", "unknown to this release")
    for path in back.changed:
        yield Change("migration", path, "applied", "changed")


def _image_changes(images: Mapping[str, str], candidate: Candidate) -> Iterable[Change]:
    for name, image in sorted(candidate.images.items()):
        was = images.get(name, "")
        if name in candidate.to_build:
            yield Change("image", name, short(was), "to be built")
        elif was != image:
            yield Change("image", name, short(was), short(image))


def short(image: str) -> str:
    """An image reference cut to a readable length."""
    name, mark, digest = image.rpartition("sha256:")
    return f"{name}{mark}{digest[: DIGEST_SHOWN - len(mark)]}" if mark else image


def _counts(candidate: Candidate) -> dict[str, int]:
    return {name: candidate.replicas.get(name, 1) for name in candidate.named(Role.APP)}


def _whole(observed: EnvironmentState, live: Release) -> bool:
    """Whether everything of the live release runs, and mounts what is there."""
    if observed.detached:
        return False
    running = {
        (item.service, item.slot): item for item in observed.state.containers if item.running
    }
    for name in live.named(Role.APP, Role.WORKER):
        if (name, observed.slot) not in running:
            return False
    return all((name, "") in running for name in live.named(Role.BACKING, Role.ROUTER))


def _preparations(candidate: Candidate, slot: str, inputs: PlanInputs) -> list[PlannedStep]:
    steps = []
    if candidate.to_build:
        names = ", ".join(candidate.to_build)
        steps.append(
            PlannedStep(table.BUILD, f"build {names}", inputs.commands.build(candidate.to_build))
        )
    steps += _transfers(candidate, inputs.commands)
    if candidate.retained is None:
        folder = inputs.state.releases / candidate.id
        steps.append(PlannedStep(table.PREPARE, f"write the release to {folder}"))
    names = ", ".join(candidate.named(Role.BACKING, Role.ROUTER)) or "there are none"
    title = f"bring backing services and router up: {names}"
    steps.append(_reconcile_step(title, candidate, inputs))
    jobs = candidate.named(Role.JOB)
    if jobs:
        commands = inputs.commands.run_jobs(candidate.id, slot, jobs)
        title = f"run {', '.join(jobs)} in the new image"
        steps.append(PlannedStep(table.MIGRATE, title, commands))
    return table.with_added(steps, lambda row: row.plan(inputs, candidate) if row.plan else None)


def _reconcile_step(title: str, candidate: Candidate, inputs: PlanInputs) -> PlannedStep:
    commands = inputs.commands.reconcile(candidate.id, inputs.effects)
    return PlannedStep(table.RECONCILE, title, commands, effects=inputs.effects)


def _hand_over(candidate: Candidate, live: Release | None) -> tuple[Effect, ...]:
    """Workers that stop before those of the new release start: what is queued waits."""
    if live is None:
        return ()
    ours = set(live.named(Role.WORKER))
    reason = ("the old one stops before the new one starts",)
    return tuple(
        Effect(name, Role.WORKER, Act.HAND_OVER, reason)
        for name in candidate.named(Role.WORKER)
        if name in ours and not live.settings(name).overlap
    )


def _transfers(candidate: Candidate, commands: Commands) -> Iterable[PlannedStep]:
    """How the images come to the host, and how many bytes that is."""
    if candidate.to_push:
        images = _several(candidate.to_push)
        yield PlannedStep(table.PUSH, f"push {images}", commands.push(candidate.to_push))
    if candidate.to_pull:
        names = [item.reference for item in candidate.to_pull]
        pulls = commands.pull([item.pinned or item.reference for item in candidate.to_pull])
        where = ", ".join(dict.fromkeys(split(name).registry for name in names))
        title = f"pull {_several(names)} from {where} by digest"
        yield PlannedStep(table.PULL, title, pulls, estimate=_amount(candidate.to_pull))
    if candidate.to_ship:
        names = [item.reference for item in candidate.to_ship]
        title = f"send layers of {_several(names)} over SSH"
        yield PlannedStep(table.SHIP, title, estimate=_amount(candidate.to_ship))


def _several(names: Sequence[str]) -> str:
    """One or two names, or how many more there are."""
    more = len(names) - 1
    return " and ".join(names) if more < 2 else f"{names[0]} and {more} more images"


def _amount(transfers: Iterable[Transfer]) -> str:
    sizes = [item.size for item in transfers]
    known = [item for item in sizes if item is not None]
    if not known:
        return "how much is known once they are built"
    more = ", and what is to be built" if len(known) < len(sizes) else ""
    return f"about {format_size(sum(known))}{more}"


def _stage_step(
    before: Stage, stage: Stage, candidate: Candidate, slot: str, inputs: PlanInputs
) -> PlannedStep:
    named, shown, commands = candidate.named, inputs.commands, list[str]()
    if any(count > before.new.get(name, 0) for name, count in stage.new.items()):
        commands += shown.start(candidate.id, slot, named(Role.APP), named(Role.WORKER))
    effects: tuple[Effect, ...] = ()
    if stage.workers is Workers.NEW and before.workers is not Workers.NEW:
        commands += shown.start_ready(named(Role.WORKER))
        effects = _hand_over(candidate, inputs.observed.live)
    if stage.share != before.share and named(Role.ROUTER):
        commands += shown.route()
    return PlannedStep(stage.name, stage.title, tuple(commands), stage, effects=effects)
