"""The health of every service of an environment."""

import time

from towline.engines.world import Container
from towline.environments.site import Away, Fleet, Observed, Site, observe
from towline.errors import CheckFailed
from towline.health.probes import Answer, Outcome
from towline.rollout.serving import container_answer
from towline.state.releases import Release

Row = dict[str, str]
_POLL = 0.1


def report(fleet: Fleet, *, timeout: float = 0.0) -> list[Row]:
    """One row a service and slot in use; waits up to `timeout` seconds until all are healthy.

    Where the hosts are other machines, each row names its `host`.
    """
    if not fleet.lead.remote:
        return _report(fleet.lead, timeout)
    rows: list[Row] = []
    found = fleet.asked(lambda site: _report(site, timeout))
    for site, given in zip(fleet.sites, found, strict=True):
        if isinstance(given, Away):
            rows.append(_away_row(given))
        else:
            rows += [{"host": site.host.name, **row} for row in given]
    return rows + [_away_row(item) for item in fleet.away]


def _away_row(away: Away) -> Row:
    """One line for a host that cannot be asked."""
    return {
        "host": away.host,
        "health": Outcome.ERROR.value,
        "service": "(host)",
        "slot": "",
        "release": "",
        "answer": f"away: {away.why}",
    }


def _report(site: Site, timeout: float) -> list[Row]:
    deadline = time.monotonic() + timeout
    while True:
        rows = _rows(site, observe(site))
        if (
            rows and all(row["health"] == "healthy" for row in rows)
        ) or time.monotonic() > deadline:
            return rows
        time.sleep(_POLL)


def require_healthy(rows: list[Row], name: str) -> None:
    """Raise CheckFailed when a service is not healthy, or none is there."""
    if not rows:
        raise CheckFailed(
            f"nothing is deployed in {name}", remedy=f"`inv deploy --env {name}` deploys"
        )
    away = [row["host"] for row in rows if row["service"] == "(host)"]
    if away:
        raise CheckFailed(
            f"{', '.join(away)} of {name} cannot be asked", remedy="check the network and that host"
        )
    bad = [row["service"] for row in rows if row["health"] != "healthy"]
    if bad:
        raise CheckFailed(
            f"{len(bad)} of {len(rows)} services are not healthy in {name}: {', '.join(bad)}",
            remedy=f"`inv logs --env {name} --service {bad[0]}` shows what it printed",
        )


def _rows(site: Site, seen: Observed) -> list[Row]:
    live = seen.live
    if live is None:
        return []
    rows = []
    for name in sorted(live.services):
        if live.settings(name).role == "job":
            continue
        found = [c for c in seen.world.service(name) if c.colour in ("", seen.colour)]
        places: list[Container | None] = [*found] or [None]
        for item in places:
            answer = _answer(site, live, item)
            rows.append(
                {
                    "health": answer.outcome.value,
                    "service": name,
                    "slot": item.colour if item and item.colour else "shared",
                    "release": item.version if item and item.version else "",
                    "answer": answer.detail,
                }
            )
    return rows


def _answer(site: Site, live: Release, item: Container | None) -> Answer:
    if item is None:
        return Answer(Outcome.FAILURE, "no container exists")
    return container_answer(site.engine, live, item)
