"""Whether users are served on a host: what is routed is compared with what runs."""

from __future__ import annotations

from towline.config.services import Role
from towline.environments.site import Observed, Site
from towline.state.releases import Release


def why_unserved(site: Site, seen: Observed) -> str:
    """Why users are not served on a host; empty when they are, or nothing is deployed there.

    The router is asked on its own port; the slot that it sends traffic to must run.
    """
    if seen.stranger:
        return f"{seen.stranger} serves, and {site.state.root} does not know it"
    routed = seen.routes.live_colour()
    if seen.live is None:
        return f"traffic goes to the {routed} slot, which has no containers" if routed else ""
    return _router(site, seen, seen.live) or _apps(seen, seen.live) or _mounts(site, seen)


def expected(seen: Observed) -> tuple[int, int]:
    """How many of the containers that should run do so, and how many should; standby not."""
    if seen.live is None:
        return 0, 0
    run = wanted = 0
    for name in seen.live.services:
        role = seen.live.settings(name).role
        if role is Role.JOB:
            continue
        slot = seen.colour if role in (Role.APP, Role.WORKER) else ""
        found = [item for item in seen.world.service(name) if item.colour == slot]
        count = seen.live.replicas_of(name)
        wanted += count
        run += min(count, sum(item.running for item in found))
    return run, wanted


def _router(site: Site, seen: Observed, live: Release) -> str:
    return site.engine.router_trouble(seen.world) if live.router else ""


def _apps(seen: Observed, live: Release) -> str:
    slot = seen.colour or ""
    for name in live.named(Role.APP):
        found = [item for item in seen.world.of(slot, Role.APP) if item.service == name]
        running = [item for item in found if item.running]
        if not running:
            state = found[0].status or found[0].state if found else "no container"
            return f"traffic goes to the {slot} slot, where {name} does not run ({state})"
        if all(item.health == "unhealthy" for item in running):
            return f"{name} in the {slot} slot is unhealthy"
    return ""


def _mounts(site: Site, seen: Observed) -> str:
    detached = site.engine.detached(seen.world)
    if not detached:
        return ""
    return f"{', '.join(detached)} mounts a folder that was deleted; a deploy restarts it"
