"""What is live, since when, and what is kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from towline.environments.site import Away, Fleet, Observed, Site, observe
from towline.errors import TowlineError
from towline.insight.retained import retained_here
from towline.insight.since import since
from towline.rollout.interrupted import of_journal, step_of
from towline.rollout.serving import expected, why_unserved
from towline.state import hold, lock
from towline.state.journal import Entry


def fleet_status(fleet: Fleet) -> dict[str, Any]:
    """The state of an environment on all its hosts; that of the lead in detail.

    `hosts` has a row a host where they are other machines, also for those that are away;
    `versions` names every release that serves somewhere, more than one when the hosts differ;
    `problems` says in lines why users are not served, or what else needs somebody.

    Raises:
        TowlineError: When no host answers.
    """
    looks = fleet.asked(_look)
    away = [item for item in looks if isinstance(item, Away)] + list(fleet.away)
    there = [item for item in looks if not isinstance(item, Away)]
    if not there:
        raise TowlineError(f"no host of {fleet.lead.name} can be asked: {away[0].why}")
    first = there[0]
    is_led = fleet.leaderless is None and first.site is fleet.lead
    data = status(first.site, first.seen, is_lead=is_led)
    rows = [item.row(fleet) for item in there] + [_away_row(item) for item in away]
    versions = _versions(there)
    return {
        **data,
        "lead": fleet.lead.host.name if fleet.lead.remote and not fleet.leaderless else None,
        "hosts": rows if fleet.lead.remote else [],
        "versions": versions,
        "served": not any(item.why for item in there),
        "problems": list(_problems(fleet, there, away, versions)),
    }


def require_served(data: Mapping[str, Any]) -> None:
    """Raise TowlineError when users are not served, hosts differ, or one is away."""
    problems: list[str] = data["problems"]
    if problems:
        name = data["environment"]
        raise TowlineError(
            f"{name}: {problems[0]}",
            details=problems[1:],
            remedy=f"`inv health-check --env {name}` and `inv logs --env {name}` show more; "
            f"`inv deploy --env {name}` brings every host to the promoted release",
        )


@dataclass(frozen=True)
class _Look:
    """What was seen on one host, and why users are not served there."""

    site: Site
    seen: Observed
    why: str

    def row(self, fleet: Fleet) -> dict[str, str]:
        run, wanted = expected(self.seen)
        return {
            "host": self.site.host.name,
            "release": self.seen.live.id if self.seen.live else self.seen.stranger,
            "slot": self.seen.colour or "",
            "containers": f"{run} of {wanted} run",
            "served": self.why or ("yes" if self.seen.live else "nothing is deployed"),
            "lead": "lead" if self.site is fleet.lead and not fleet.leaderless else "",
        }


def _look(site: Site) -> _Look:
    seen = observe(site)
    return _Look(site, seen, why_unserved(site, seen))


def _away_row(away: Away) -> dict[str, str]:
    row = dict.fromkeys(("host", "release", "slot", "containers", "served", "lead"), "")
    return {**row, "host": away.host, "served": f"away: {away.why}"}


def _versions(there: Sequence[_Look]) -> list[str]:
    """What serves somewhere. The same content may have another identifier on another host."""
    found: dict[str, str] = {}
    for item in there:
        if item.seen.live:
            found.setdefault(item.seen.live.fingerprint, item.seen.live.id)
        elif item.seen.stranger:
            found[item.seen.stranger] = item.seen.stranger
    return sorted(found.values())


def _problems(
    fleet: Fleet, there: Sequence[_Look], away: Sequence[Away], versions: Sequence[str]
) -> Iterator[str]:
    for item in there:
        if item.why:
            where = f" on {item.site.host.name}" if item.site.remote else ""
            yield f"users are not served{where}: {item.why}"
    bare = [item.site.host.name for item in there if not (item.seen.live or item.seen.stranger)]
    if versions and bare:
        yield f"nothing serves on {', '.join(bare)}, and {versions[0]} serves elsewhere"
    if len(versions) > 1:
        yield f"the hosts serve {' and '.join(versions)}"
    yield from (f"{item.host} is away: {item.why}" for item in away)
    if fleet.leaderless:
        yield f"{fleet.leaderless.message}; {fleet.leaderless.remedy}"


def status(site: Site, seen: Observed | None = None, *, is_lead: bool = True) -> dict[str, Any]:
    """The state of an environment on one host as plain data; changes nothing."""
    seen = seen or observe(site)
    left = of_journal(site.journal.last_operation()) if is_lead else None
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
                "name": item.name,
                "service": item.service,
                "role": item.role,
                "slot": item.colour or "shared",
                "release": item.version,
                "state": item.state,
                "status": item.status,
            }
            for item in seen.world.containers
        ],
        "kept": [item.data() for item in retained_here(site)],
        "hold": str(hold.read(site.host.files, site.state) or "") or None,
        "lock": str(held) if held else None,
        "locked_by": held.actor.data() if held else None,
        # Under a lock it is not interrupted but at work.
        "interrupted": f"{left.kind} {left.release} at step {step_of(left)}, {left.at}"
        if left and not held
        else None,
        "manual": _manual(site) or None,
        "journal": site.journal.failure() or None,
    }


def _manual(site: Site) -> str:
    """What the last operation left to a person, since its rollback also failed."""
    last = site.journal.last_operation()
    end: Entry = next((entry["data"] for entry in last if entry["event"] == "end"), {})
    if end.get("ok", True) or not end.get("restore"):
        return ""
    begin: Entry = next((entry["data"] for entry in last if entry["event"] == "begin"), {})
    return (
        f"{begin.get('kind', 'an operation')} {begin.get('release', '')} failed "
        f"({end.get('error', 'no reason was noted')}) and its rollback also failed: "
        f"{end['restore']}"
    )
