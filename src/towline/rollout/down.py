"""Take an environment down."""

import uuid

from towline.rollout import lock
from towline.rollout.site import Fleet, Site


def plan(fleet: Fleet, *, volumes: bool) -> list[str]:
    """What would be removed, a line each; empty when nothing runs."""
    found = fleet.each(lambda site: _plan(site, volumes=volumes))
    if not fleet.lead.remote:
        return found[0]
    pairs = zip(fleet.sites, found, strict=True)
    return [f"{site.host.name}: {line}" for site, lines in pairs for line in lines]


def _plan(site: Site, *, volumes: bool) -> list[str]:
    containers = site.engine.observe().containers
    lines = [f"remove container {item.name} ({item.state})" for item in containers]
    lines += [f"remove network {name}" for name in site.engine.shared("networks")]
    found = site.engine.shared("volumes")
    lines += [f"remove volume {name} and its data" for name in found if volumes]
    return lines


def take_down(fleet: Fleet, *, volumes: bool) -> list[str]:
    """Remove containers and networks, and volumes if asked; kept releases stay.

    Returns:
        What is left because somebody else uses it, a line each.

    Raises:
        Locked: When someone else is at work here.
    """
    site = fleet.lead
    operation = uuid.uuid4().hex[:8]
    with lock.held(site.host.files, site.state.lock, "down"):
        site.journal.write(operation, "begin", data={"kind": "down", "volumes": volumes})
        with site.journal.step(operation, "down"):
            left = fleet.each(lambda site: _take_down(site, volumes=volumes))
        site.journal.write(operation, "end", data={"ok": True})
    return [line for lines in left for line in lines]


def _take_down(site: Site, *, volumes: bool) -> list[str]:
    left = site.engine.down(volumes=volumes)
    # Routes to nothing must not be taken for routes by the next first deploy.
    site.host.files.remove(site.state.routes / "routes.conf")
    return [f"{site.host.name}: {line}" if site.remote else line for line in left]
