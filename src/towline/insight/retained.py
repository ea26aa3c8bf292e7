"""The releases that the hosts of an environment retain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from towline.environments.host_environment import Away, Fleet, HostEnvironment, observe
from towline.errors import TowlineError
from towline.rollout.executor import merge_orders
from towline.state.releases import Status

# What may differ between hosts. Each has a clock of its own, and who deployed there another one.
_COMPARED = ("status", "release", "commit", "place", "reason")


@dataclass(frozen=True)
class RetainedRelease:
    """A release that is retained.

    Attributes:
        deployed_at: UTC time, ISO 8601.
        place: Whether it is live, can be started at once, or lacks its image.
        reason: Why it is marked bad.
        hosts: Those that have it in this state, where the hosts are other machines.
    """

    status: Status
    release: str
    commit: str
    deployed_at: str
    place: str
    reason: str
    hosts: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """As plain data; `deployed`, which is for people, stays for one minor version."""
        hosts = {"hosts": self.hosts} if self.hosts else {}
        return {
            "status": self.status.value,
            "release": self.release,
            "commit": self.commit,
            "deployed": self.deployed_at[:19].replace("T", " "),
            "deployed_at": self.deployed_at,
            "where": self.place,
            "reason": self.reason,
            **hosts,
        }


def retained_here(site: HostEnvironment) -> list[RetainedRelease]:
    """The retained releases of one host, newest first."""
    seen = observe(site)
    found = []
    releases = site.store.all()
    images = {image for release in releases for image in release.images.values()}
    missing = site.engine.images.missing(images)
    for release in reversed(releases):
        place = (
            "live" if seen.live and seen.live.id == release.id
            else "image missing" if missing & set(release.images.values())
            else "ready to start" if seen.standby and seen.standby.id == release.id
            else "kept"
        )  # fmt: skip
        found.append(
            RetainedRelease(
                release.status,
                release.id,
                release.commit[:8],
                release.created,
                place,
                release.reason,
            )
        )
    return found


@dataclass(frozen=True)
class Retained:
    """What is retained in an environment.

    Attributes:
        releases: Newest first; one for each state in which hosts have a release.
        hosts: The hosts that were asked.
        away: Those that could not be.
    """

    releases: tuple[RetainedRelease, ...]
    hosts: tuple[str, ...]
    away: tuple[Away, ...] = ()


def retained(fleet: Fleet) -> Retained:
    """The retained releases of all hosts of an environment.

    Raises:
        TowlineError: When no host answers.
    """
    if not fleet.lead.remote:
        return Retained(tuple(retained_here(fleet.lead)), (fleet.lead.host.name,))
    found = fleet.asked(retained_here)
    away = [item for item in found if isinstance(item, Away)] + list(fleet.away)
    there = {
        site.host.name: rows
        for site, rows in zip(fleet.sites, found, strict=True)
        if not isinstance(rows, Away)
    }
    if not there:
        raise TowlineError(f"no host of {fleet.lead.name} can be asked: {away[0].why}")
    return Retained(tuple(_merged(there)), tuple(there), tuple(away))


def _merged(there: Mapping[str, Sequence[RetainedRelease]]) -> Iterator[RetainedRelease]:
    groups: dict[tuple[str, ...], RetainedRelease] = {}
    for name in merge_orders([[item.release for item in found] for found in there.values()]):
        for host, found in there.items():
            for item in found:
                if item.release == name:
                    same = tuple(getattr(item, key) for key in _COMPARED)
                    known = groups.get(same, item)
                    groups[same] = replace(known, hosts=(*known.hosts, host))
    return iter(groups.values())
