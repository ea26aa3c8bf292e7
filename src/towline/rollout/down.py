"""Take an environment down."""

import uuid

from towline.rollout import lock
from towline.rollout.site import Site


def plan(site: Site, *, volumes: bool) -> list[str]:
    """What would be removed, a line each; empty when nothing runs."""
    containers = site.engine.observe().containers
    lines = [f"remove container {item.name} ({item.state})" for item in containers]
    lines += [f"remove network {name}" for name in site.engine.shared("networks")]
    found = site.engine.shared("volumes")
    lines += [f"remove volume {name} and its data" for name in found if volumes]
    return lines


def take_down(site: Site, *, volumes: bool) -> None:
    """Remove containers and networks, and volumes if asked; kept releases stay.

    Raises:
        Locked: When someone else is at work here.
    """
    operation = uuid.uuid4().hex[:8]
    with lock.held(site.host.files, site.state.lock, "down"):
        site.journal.write(operation, "begin", data={"kind": "down", "volumes": volumes})
        with site.journal.step(operation, "down"):
            site.engine.down(volumes=volumes)
            # Routes to nothing must not be taken for routes by the next first deploy.
            site.host.files.remove(site.state.routes / "routes.conf")
        site.journal.write(operation, "end", data={"ok": True})
