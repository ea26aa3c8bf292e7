"""Take an environment down."""

import uuid
from collections.abc import Callable, Sequence

from towline.environments import lead_lock
from towline.environments.site import Fleet, Site, require_managed
from towline.errors import UsageError
from towline.rollout.steps.table import DOWN
from towline.state import lock


def plan(
    fleet: Fleet, *, volumes: bool, hosts: Sequence[str] = (), unmanaged: bool = False
) -> list[str]:
    """What would be removed, a line each; empty when nothing runs.

    Raises:
        UsageError: When a release serves that another state folder deployed, and `unmanaged` does
            not allow that; or a host is not one of the environment.
    """
    chosen = _chosen(fleet, hosts)
    if not unmanaged:
        chosen.each(require_managed)
    found = chosen.each(lambda site: _plan(site, volumes=volumes))
    if not fleet.lead.remote:
        return found[0]
    pairs = zip(chosen.sites, found, strict=True)
    return [f"{site.host.name}: {line}" for site, lines in pairs for line in lines]


def _chosen(fleet: Fleet, hosts: Sequence[str]) -> Fleet:
    """The hosts to take down; all when none is named."""
    known = {site.host.name: site for site in fleet.sites}
    unknown = [name for name in hosts if name not in known]
    if unknown:
        raise UsageError(
            f"--host: {unknown[0]} is no host of {fleet.lead.name}",
            remedy=f"hosts: {', '.join(known)}",
        )
    return Fleet(tuple(known[name] for name in hosts) or fleet.sites)


def _plan(site: Site, *, volumes: bool) -> list[str]:
    containers = site.engine.observe().containers
    lines = [f"remove container {item.name} ({item.state})" for item in containers]
    lines += [f"remove network {name}" for name in site.engine.shared("networks")]
    found = site.engine.shared("volumes")
    lines += [f"remove volume {name} and its data" for name in found if volumes]
    if volumes and site.engine.registered():
        lines.append(f"forget that its state lies in {site.state.root}; the folder stays")
    return lines


def take_down(
    fleet: Fleet,
    *,
    volumes: bool,
    hosts: Sequence[str] = (),
    unmanaged: bool = False,
    reason: str = "",
    say: Callable[[str], None] = lock.silent,
) -> list[str]:
    """Remove containers and networks, and volumes if asked; retained releases stay.

    Returns:
        What is left because somebody else uses it, a line each.

    Raises:
        Locked: When someone else is running an operation.
        UsageError: When another state folder deployed something since the plan was made.
    """
    site, chosen = fleet.lead, _chosen(fleet, hosts)
    operation = uuid.uuid4().hex[:8]
    with lead_lock.held(fleet.sites, "down", say=say):
        if not unmanaged:
            chosen.each(require_managed)
        begun = {"kind": "down", "volumes": volumes, "unmanaged": unmanaged, "reason": reason}
        if site.remote:
            begun["hosts"] = [item.host.name for item in chosen.sites]
        site.journal.write(operation, "begin", data=begun)
        with site.journal.step(operation, DOWN):
            left = chosen.each(lambda site: _take_down(site, volumes=volumes))
        site.journal.write(operation, "end", data={"ok": True})
    return [line for lines in left for line in lines]


def _take_down(site: Site, *, volumes: bool) -> list[str]:
    left = site.engine.down(volumes=volumes)
    # Routes to nothing must not be taken for routes by the next first deploy.
    site.host.files.remove(site.state.routes / "routes.conf")
    return [f"{site.host.name}: {line}" if site.remote else line for line in left]
