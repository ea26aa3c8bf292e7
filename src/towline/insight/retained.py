"""The releases that the hosts of an environment retain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from towline.environments.site import Away, Fleet, Site, observe
from towline.errors import TowlineError
from towline.rollout.executor import merged

Row = dict[str, str]
# What may differ between hosts. Each has a clock of its own, and who deployed there another one.
_COMPARED = ("status", "release", "commit", "where", "reason")


def kept_rows(site: Site) -> list[Row]:
    """The kept releases of one host, newest first."""
    seen = observe(site)
    rows = []
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


@dataclass(frozen=True)
class Retained:
    """What is retained in an environment.

    Attributes:
        rows: The releases, newest first; one row for each state in which hosts have a release.
            Where the hosts are other machines, `hosts` names them.
        hosts: The hosts that were asked.
        away: Those that could not be.
    """

    rows: tuple[dict[str, Any], ...]
    hosts: tuple[str, ...]
    away: tuple[Away, ...] = ()

    def table(self) -> list[Row]:
        """The rows for people: they name hosts where these differ."""
        differ = any(row.get("hosts", self.hosts) != self.hosts for row in self.rows)
        shown = []
        for row in self.rows:
            hosts = row.get("hosts", self.hosts)
            text = {name: str(value) for name, value in row.items() if name != "hosts"}
            if differ:
                text = {**text, "hosts": "all" if hosts == self.hosts else ", ".join(hosts)}
            shown.append(text)
        return shown


def retained(fleet: Fleet) -> Retained:
    """The kept releases of all hosts of an environment.

    Raises:
        TowlineError: When no host answers.
    """
    if not fleet.lead.remote:
        return Retained(tuple(kept_rows(fleet.lead)), (fleet.lead.host.name,))
    found = fleet.asked(kept_rows)
    away = [item for item in found if isinstance(item, Away)] + list(fleet.away)
    there = {
        site.host.name: rows
        for site, rows in zip(fleet.sites, found, strict=True)
        if not isinstance(rows, Away)
    }
    if not there:
        raise TowlineError(f"no host of {fleet.lead.name} can be asked: {away[0].why}")
    return Retained(tuple(_merged(there)), tuple(there), tuple(away))


def _merged(there: Mapping[str, Sequence[Row]]) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for name in merged([[row["release"] for row in rows] for rows in there.values()]):
        for host, rows in there.items():
            for row in rows:
                if row["release"] == name:
                    same = tuple(row[key] for key in _COMPARED)
                    group = groups.setdefault(same, {**row, "hosts": ()})
                    group["hosts"] = (*group["hosts"], host)
    return iter(groups.values())
