"""What is live, since when, and what is retained: each host is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from towline.environments.host_environment import (
    Away,
    EnvironmentState,
    Fleet,
    HostEnvironment,
    observe,
)
from towline.errors import TowlineError
from towline.insight.guarding import guard_status
from towline.insight.records import EnvironmentStatus, HostStatus, LeadStatus
from towline.insight.retained import retained_here
from towline.rollout.interrupted import of_journal
from towline.rollout.serving import expected, why_unserved
from towline.rollout.since import since
from towline.state import hold, lock
from towline.state.journal import Entry


def fleet_status(fleet: Fleet) -> EnvironmentStatus:
    """The state of an environment on all its hosts; changes nothing.

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
    hosts = [item.status(fleet) for item in there]
    hosts += [HostStatus(item.host, served=f"away: {item.why}") for item in away]
    versions = _versions(there)
    return EnvironmentStatus(
        first=_status(first.site, first.seen, is_lead=is_led),
        lead=fleet.lead.host.name if fleet.lead.remote and not fleet.leaderless else "",
        hosts=tuple(hosts) if fleet.lead.remote else (),
        versions=tuple(versions),
        served=not any(item.why for item in there),
        problems=tuple(_problems(fleet, there, away, versions)),
    )


def require_served(found: EnvironmentStatus) -> None:
    """Raise TowlineError when users are not served, hosts differ, or one is away."""
    if found.problems:
        name = found.first.environment
        raise TowlineError(
            f"{name}: {found.problems[0]}",
            details=found.problems[1:],
            remedy=f"`inv health-check --env {name}` and `inv logs --env {name}` show more; "
            f"`inv deploy --env {name}` brings every host to the promoted release",
        )


@dataclass(frozen=True)
class _Look:
    """What was seen on one host, and why users are not served there."""

    site: HostEnvironment
    seen: EnvironmentState
    why: str

    def status(self, fleet: Fleet) -> HostStatus:
        run, wanted = expected(self.seen)
        return HostStatus(
            host=self.site.host.name,
            release=self.seen.live.id if self.seen.live else self.seen.unmanaged,
            slot=self.seen.slot or "",
            running=run,
            wanted=wanted,
            served=self.why or ("yes" if self.seen.live else "nothing is deployed"),
            is_lead=self.site is fleet.lead and not fleet.leaderless,
        )


def _look(site: HostEnvironment) -> _Look:
    seen = observe(site)
    return _Look(site, seen, why_unserved(site, seen))


def _versions(there: Sequence[_Look]) -> list[str]:
    """What serves somewhere. The same content may have another identifier on another host."""
    found: dict[str, str] = {}
    for item in there:
        if item.seen.live:
            found.setdefault(item.seen.live.fingerprint, item.seen.live.id)
        elif item.seen.unmanaged:
            found[item.seen.unmanaged] = item.seen.unmanaged
    return sorted(found.values())


def _problems(
    fleet: Fleet, there: Sequence[_Look], away: Sequence[Away], versions: Sequence[str]
) -> Iterator[str]:
    for item in there:
        if item.why:
            where = f" on {item.site.host.name}" if item.site.remote else ""
            yield f"users are not served{where}: {item.why}"
    bare = [item.site.host.name for item in there if not (item.seen.live or item.seen.unmanaged)]
    if versions and bare:
        yield f"nothing serves on {', '.join(bare)}, and {versions[0]} serves elsewhere"
    if len(versions) > 1:
        yield f"the hosts serve {' and '.join(versions)}"
    yield from (f"{item.host} is away: {item.why}" for item in away)
    if fleet.leaderless:
        yield f"{fleet.leaderless.message}; {fleet.leaderless.remedy}"


def _status(site: HostEnvironment, seen: EnvironmentState, *, is_lead: bool) -> LeadStatus:
    left = of_journal(site.journal.last_operation()) if is_lead else None
    held = lock.living(site.host.files, site.state.lock)
    return LeadStatus(
        project=site.project.settings.project,
        environment=site.name,
        url=site.environment.url,
        live=seen.live,
        unmanaged=seen.unmanaged,
        since=since(site.journal.recent(), seen.live),
        slot=seen.slot,
        traffic={name: item.shares for name, item in sorted(seen.routes.backends.items())},
        containers=tuple(seen.state.containers),
        retained=tuple(retained_here(site)),
        hold=hold.read(site.host.files, site.state),
        lock=held,
        # Under a lock it is not interrupted but running.
        interrupted=None if held or (left and left.pause) else left,
        paused=left if left and left.pause and not held else None,
        manual=_manual(site),
        journal=site.journal.failure(),
        guard=guard_status(site, seen.live),
    )


def _manual(site: HostEnvironment) -> str:
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
