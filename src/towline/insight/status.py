"""What is live, since when, and what is kept."""

from typing import Any

from towline.insight.since import since
from towline.rollout import hold, lock
from towline.rollout.interrupted import of_journal
from towline.rollout.site import Fleet, Site, observe


def fleet_status(fleet: Fleet) -> dict[str, Any]:
    """The state of an environment on all its hosts; that of the first one in detail.

    `hosts` has a row a host where they are other machines; `versions` names every release that
    serves somewhere, more than one when the hosts differ.
    """
    data = status(fleet.lead)
    rows = fleet.each(_row) if fleet.lead.remote else []
    serving = [row["release"] for row in rows] or [data["release"]]
    return {**data, "hosts": rows, "versions": sorted({str(item) for item in serving if item})}


def _row(site: Site) -> dict[str, str]:
    seen = observe(site)
    running = sum(item.running for item in seen.world.containers)
    return {
        "host": site.host.name,
        "release": seen.live.id if seen.live else seen.stranger,
        "slot": seen.colour or "",
        "containers": f"{running} of {len(seen.world.containers)} run",
    }


def status(site: Site) -> dict[str, Any]:
    """The state of an environment on one host as plain data; changes nothing."""
    seen = observe(site)
    left = of_journal(site.journal.last_operation())
    held = lock.living(site.host.files, site.state.lock)
    return {
        "project": site.project.settings.project,
        "environment": site.name,
        "url": site.environment.url,
        "live": seen.live.version if seen.live else None,
        "release": seen.live.id if seen.live else None,
        "stranger": seen.stranger or None,
        "commit": seen.live.commit if seen.live else None,
        "since": since(site.journal.recent(), seen.live),
        "slot": seen.colour,
        "traffic": {
            name: dict(backend.shares) for name, backend in sorted(seen.routes.backends.items())
        },
        "containers": [
            {
                "service": item.service,
                "role": item.role,
                "slot": item.colour or "shared",
                "release": item.version,
                "state": item.state,
                "status": item.status,
            }
            for item in seen.world.containers
        ],
        "kept": kept_rows(site),
        "hold": str(hold.read(site.host.files, site.state) or "") or None,
        "lock": f"{held.user} on {held.machine}: {held.operation}" if held else None,
        # Under a lock it is not interrupted but at work.
        "interrupted": f"{left.kind} {left.release} at step {left.step or 'begin'}, {left.at}"
        if left and not held
        else None,
        "journal": site.journal.failure() or None,
    }


def kept_rows(site: Site) -> list[dict[str, str]]:
    """The kept releases, newest first."""
    seen = observe(site)
    rows = []
    releases = site.store.all()
    images = {image for release in releases for image in release.images.values()}
    missing = site.engine.missing_images(images)
    for release in reversed(releases):
        place = (
            "live" if seen.live and seen.live.id == release.id
            else "image missing" if missing & set(release.images.values())
            else "ready to start" if seen.standby and seen.standby.id == release.id
            else "kept"
        )  # fmt: skip
        rows.append(
            {
                "status": release.status.value,
                "release": release.id,
                "commit": release.commit[:8],
                "deployed": release.created[:19].replace("T", " "),
                "where": place,
                "reason": release.reason,
            }
        )
    return rows
