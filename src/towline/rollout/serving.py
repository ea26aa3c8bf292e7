"""Whether users get a release: the router is asked, and the apps behind it.

Gates ask it of a release that is on its way, `inv status` of what is there; the answer is one.
"""

from dataclasses import replace

from towline.config.probes import HttpProbe
from towline.config.services import Role
from towline.engines.base import Engine
from towline.engines.observed import Container, ObservedState
from towline.environments.host_environment import EnvironmentState, HostEnvironment
from towline.health.asking import ask_probe
from towline.health.probes import Answer, Outcome
from towline.health.target import Target
from towline.health.uptime import parse_uptime
from towline.routing.nginx import ASK_PORT
from towline.state.releases import Release

# The router's own answer to whether it routes.
_ROUTES = HttpProbe(path="/routes")


def why_unserved(site: HostEnvironment, seen: EnvironmentState) -> str:
    """Why users are not served on a host; empty when they are, or nothing is deployed there.

    The router is asked on its own port; the slot that it sends traffic to must run.
    """
    if seen.unmanaged:
        return f"{seen.unmanaged} serves, and {site.state.root} does not know it"
    routed = seen.routes.live_slot()
    if seen.live is None:
        return f"traffic goes to the {routed} slot, which has no containers" if routed else ""
    fault = router_fault(site.engine, seen.live, seen.state)
    return fault or _apps(seen, seen.live) or _mounts(site, seen)


def expected(seen: EnvironmentState) -> tuple[int, int]:
    """How many of the containers that should run do so, and how many should; standby not."""
    if seen.live is None:
        return 0, 0
    run = wanted = 0
    for name in seen.live.services:
        role = seen.live.settings(name).role
        if role is Role.JOB:
            continue
        slot = seen.slot if role in (Role.APP, Role.WORKER) else ""
        found = [item for item in seen.state.service(name) if item.slot == slot]
        count = seen.live.replicas_of(name)
        wanted += count
        run += min(count, sum(item.running for item in found))
    return run, wanted


def router_fault(engine: Engine, release: Release, observed: ObservedState) -> str:
    """Why the router of a release answers nobody; empty when it does, or there is none."""
    if not release.router:
        return ""
    fault = engine.router_failure_reason(observed)
    if fault or not release.settings(release.router).health:
        return fault
    running = next(item for item in observed.role(Role.ROUTER) if item.running)
    answer = container_answer(engine, release, running)
    return "" if answer.healthy else f"the router does not answer: {answer.detail}"


def restart_router(engine: Engine, release: Release) -> bool:
    """Start a router that died; whether it was dead. Its routes are in its files."""
    observed = engine.observe()
    if not release.router or any(item.running for item in observed.role(Role.ROUTER)):
        return False
    engine.reconcile(release)
    return True


def routing_fault(engine: Engine, release: Release, slot: str, observed: ObservedState) -> str:
    """Why users of the router do not get the release of a slot; empty when they do."""
    fault = router_fault(engine, release, observed)
    if fault or not release.router:
        return fault
    share = engine.routes(observed).share(slot)
    return "" if share == 100 else f"the router sends {share} % of traffic to {release.id}"


def container_answer(
    engine: Engine, release: Release, item: Container, *, in_deploy: bool = True
) -> Answer:
    """One container's health: its probe, else its own healthcheck, else that it stays up.

    Args:
        engine: Its engine.
        release: The release whose description counts.
        item: The container.
        in_deploy: Whether a deploy waits for the answer; see `Target`.
    """
    if not item.running:
        return Answer(Outcome.FAILURE, item.status or item.state)
    settings = release.settings(item.service)
    if settings.health:
        answer = ask_probe(settings.health, probe_target(engine, item, settings.port, in_deploy))
        return _while_it_starts(answer, item, settings.health.start_period)
    if item.role == Role.ROUTER and engine.address(item, ASK_PORT):
        return ask_probe(_ROUTES, probe_target(engine, item, ASK_PORT, in_deploy))
    if item.health in ("unhealthy", "starting"):
        outcome = Outcome.FAILURE if item.health == "unhealthy" else Outcome.INCONCLUSIVE
        return Answer(outcome, f"its healthcheck says {item.health}", kind="healthcheck")
    if item.health:
        return Answer(Outcome.HEALTHY, "its healthcheck says healthy", kind="healthcheck")
    if item.status.startswith("Up Less than"):
        return Answer(Outcome.INCONCLUSIVE, "just started, and has no probe", kind="running")
    return Answer(Outcome.HEALTHY, "running (it has no probe)", kind="running")


def probe_target(engine: Engine, item: Container, port: int | None, in_deploy: bool) -> Target:
    """A container as a probe asks it."""
    return Target(
        port,
        lambda wanted: engine.address(item, wanted),
        lambda argv, timeout: engine.run_probe(item, argv, timeout),
        in_deploy,
    )


def _while_it_starts(answer: Answer, item: Container, start_period: float) -> Answer:
    """An answer that says nothing yet, while a container may still be starting."""
    uptime = parse_uptime(item.status)
    if answer.healthy or uptime is None or uptime >= start_period:
        return answer
    said = f"starting (start_period {start_period:g} s): {answer.detail}"
    # What would help later, such as more time, is given already.
    return replace(answer, outcome=Outcome.INCONCLUSIVE, detail=said, hint="")


def _apps(seen: EnvironmentState, live: Release) -> str:
    slot = seen.slot or ""
    for name in live.named(Role.APP):
        found = [item for item in seen.state.of(slot, Role.APP) if item.service == name]
        running = [item for item in found if item.running]
        if not running:
            state = found[0].status or found[0].state if found else "no container"
            return f"traffic goes to the {slot} slot, where {name} does not run ({state})"
        if all(item.health == "unhealthy" for item in running):
            return f"{name} in the {slot} slot is unhealthy"
    return ""


def _mounts(site: HostEnvironment, seen: EnvironmentState) -> str:
    detached = site.engine.detached(seen.state)
    if not detached:
        return ""
    return f"{', '.join(detached)} mounts a folder that was deleted; a deploy restarts it"
