"""Whether users get a release: the router is asked, and the apps behind it."""

from towline.config.services import Role
from towline.engines.base import Engine
from towline.engines.world import Container, World
from towline.health.probes import Answer, Outcome, http_probe
from towline.routing.nginx import ASK_PORT
from towline.state.releases import Release


def router_fault(engine: Engine, release: Release, world: World) -> str:
    """Why the router of a release answers nobody; empty when it does, or there is none."""
    if not release.router:
        return ""
    found = world.role(Role.ROUTER)
    running = next((item for item in found if item.running), None)
    if running is None:
        state = (found[0].status or found[0].state) if found else "does not exist"
        return f"the router is not running: {state}"
    answer = container_answer(engine, release, running)
    return "" if answer.healthy else f"the router does not answer: {answer.detail}"


def restart_router(engine: Engine, release: Release) -> bool:
    """Start a router that died; whether it was dead. Its routes are in its files."""
    world = engine.observe()
    if not release.router or any(item.running for item in world.role(Role.ROUTER)):
        return False
    engine.settle(release)
    return True


def routing_fault(engine: Engine, release: Release, colour: str, world: World) -> str:
    """Why users of the router do not get the release of a slot; empty when they do."""
    fault = router_fault(engine, release, world)
    if fault or not release.router:
        return fault
    share = engine.routes(world).share(colour)
    return "" if share == 100 else f"the router sends {share} % of traffic to {release.id}"


def container_answer(engine: Engine, release: Release, item: Container) -> Answer:
    """One container's health: its HTTP probe, else its own healthcheck, else that it stays up."""
    if not item.running:
        return Answer(Outcome.FAILURE, item.status or item.state)
    settings = release.settings(item.service)
    if settings.health:
        port = settings.health.port or settings.port
        address = engine.address(item, port) if port else None
        if address is None:
            return Answer(Outcome.ERROR, "has a health path but no port to ask")
        probe = settings.health
        return http_probe(address, probe.path, status=probe.status, headers=probe.headers)
    if item.role == Role.ROUTER and (address := engine.address(item, ASK_PORT)):
        return http_probe(address, "/routes")
    if item.health in ("unhealthy", "starting"):
        outcome = Outcome.FAILURE if item.health == "unhealthy" else Outcome.INCONCLUSIVE
        return Answer(outcome, f"its healthcheck says {item.health}")
    if item.health:
        return Answer(Outcome.HEALTHY, "its healthcheck says healthy")
    if item.status.startswith("Up Less than"):
        return Answer(Outcome.INCONCLUSIVE, "just started, and has no probe")
    return Answer(Outcome.HEALTHY, "running (it has no probe)")
