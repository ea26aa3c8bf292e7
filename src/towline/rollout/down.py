"""Take an environment down."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from towline.environments import lead_lock
from towline.environments.host_environment import Fleet, HostEnvironment, require_managed
from towline.errors import TowlineError, UsageError
from towline.rollout import interrupted, retention
from towline.rollout.steps.table import DOWN
from towline.state import lock


@dataclass(frozen=True)
class Extent:
    """What goes beside containers and networks.

    Attributes:
        volumes: Volumes that Towline made, with their data.
        images: Images that Towline built for retained releases; those on the hosts alone.
    """

    volumes: bool = False
    images: bool = False


def plan(
    fleet: Fleet, extent: Extent, *, hosts: Sequence[str] = (), unmanaged: bool = False
) -> list[str]:
    """What would be removed, a line each; empty when nothing is left to remove.

    Raises:
        UsageError: When a release serves that another state folder deployed, and `unmanaged` does
            not allow that; or a host is not one of the environment.
        CheckFailed: When some hosts are named, and an operation was interrupted or is paused.
    """
    chosen = _chosen(fleet, hosts)
    if _is_partial(fleet, chosen):
        interrupted.refuse(fleet)
    if not unmanaged:
        chosen.each(require_managed)
    return _of_hosts(chosen, chosen.each(lambda site: _plan(site, extent)))


def stays(fleet: Fleet, extent: Extent, *, hosts: Sequence[str] = ()) -> list[str]:
    """What is left in spite of it, a line each, with what removes it."""
    chosen = _chosen(fleet, hosts)
    return _of_hosts(chosen, chosen.each(lambda site: _stays(site, extent)))


def _of_hosts(chosen: Fleet, found: Sequence[list[str]]) -> list[str]:
    if not chosen.lead.remote:
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


def _is_partial(fleet: Fleet, chosen: Fleet) -> bool:
    """Whether hosts are left that serve."""
    return len(chosen.sites) < len(fleet.sites)


def _plan(site: HostEnvironment, extent: Extent) -> list[str]:
    containers = site.engine.observe().containers
    lines = [f"remove container {item.name} ({item.state})" for item in containers]
    for item in site.engine.resources():
        if extent.volumes or not item.is_data:
            what = " and its data" if item.is_data else ""
            lines.append(f"remove {item.kind} {item.name}{what}")
    if extent.images:
        lines += [f"remove image {name}" for name in _images(site)]
    if extent.volumes and site.engine.registered():
        lines.append(f"forget that its state lies in {site.state.root}; the folder stays")
    return lines


def _stays(site: HostEnvironment, extent: Extent) -> list[str]:
    lines = []
    found = [] if extent.volumes else site.engine.resources()
    volumes = [item.name for item in found if item.is_data]
    if volumes:
        lines.append(f"volumes with their data: {', '.join(volumes)}; --volumes removes them")
    images = [] if extent.images else _images(site)
    if images:
        lines.append(f"images: {', '.join(images)}; --images removes them")
    if site.host.files.names(site.state.releases):
        lines.append(f"releases with their secrets, and the journal: {site.state.root}")
    return lines


def _images(site: HostEnvironment) -> list[str]:
    """The names of the images that were built for retained releases of this environment alone."""
    try:
        releases, named = site.store.all(), retention.images_of_others(site)
    except (OSError, TowlineError):
        # Nobody knows what that release, or another environment, needs.
        return []
    return retention.image_names(site, releases, named)


def _remove_images(site: HostEnvironment) -> list[str]:
    """Remove them; returns those that are left, and why."""
    try:
        releases, named = site.store.all(), retention.images_of_others(site)
    except (OSError, TowlineError) as error:
        return [f"images are left: {error}"]
    # Other environments may run on this machine what it built for that host.
    retention.remove_images(site, releases, named)
    return [f"image {name} is left: something else uses it" for name in _images(site)]


def take_down(
    fleet: Fleet,
    extent: Extent,
    *,
    hosts: Sequence[str] = (),
    unmanaged: bool = False,
    reason: str = "",
    say: Callable[[str], None] = lock.silent,
) -> list[str]:
    """Remove containers and networks, volumes and images if asked; retained releases stay.

    Returns:
        What is left because somebody else uses it, a line each.

    Raises:
        Locked: When someone else is running an operation.
        UsageError: When another state folder deployed something since the plan was made.
        CheckFailed: When some hosts are named, and an operation was interrupted or is paused.
    """
    site, chosen = fleet.lead, _chosen(fleet, hosts)
    operation = uuid.uuid4().hex[:8]
    with lead_lock.held(fleet.sites, "down", say=say):
        if _is_partial(fleet, chosen):
            # The other hosts go on sharing traffic, and the journal is what tells between whom.
            interrupted.same(site, None)
        if not unmanaged:
            chosen.each(require_managed)
        begun = {
            "kind": "down",
            "volumes": extent.volumes,
            "unmanaged": unmanaged,
            "reason": reason,
        }
        if site.remote:
            begun["hosts"] = [item.host.name for item in chosen.sites]
        if extent.images:
            begun["images"] = True
        site.journal.write(operation, "begin", data=begun)
        with site.journal.step(operation, DOWN):
            left = chosen.each(lambda site: _take_down(site, extent))
        site.journal.write(operation, "end", data={"ok": True})
    return [line for lines in left for line in lines]


def _take_down(site: HostEnvironment, extent: Extent) -> list[str]:
    left = site.engine.destroy(data=extent.volumes)
    if extent.images:
        left += _remove_images(site)
    return [f"{site.host.name}: {line}" if site.remote else line for line in left]
