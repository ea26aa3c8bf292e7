"""What the guard sees in one round; triggers know nothing else."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from towline.config.services import Role
from towline.engines.observed import Container
from towline.environments.host_environment import (
    Away,
    EnvironmentState,
    Fleet,
    HostEnvironment,
    observe,
)
from towline.guard.check_reader import CheckReader, CheckSeen
from towline.guard.request_counter import RequestCounter, Tally
from towline.health.probes import Answer, Outcome
from towline.rollout import interrupted
from towline.rollout.serving import container_answer, router_fault
from towline.state.releases import Release

_SECONDS = re.compile(r"Up (\d+) seconds?\b")
_WATCHED = (Role.APP, Role.WORKER, Role.BACKING, Role.ROUTER)


@dataclass(frozen=True)
class ServiceSeen:
    """One container of a service of the live release, or that it lacks one.

    Attributes:
        host: Where it runs; empty on this machine.
        up: Whether it runs, well or not; a router that serves nobody is not up.
        outcome: What its probe, or its own health check, says.
        detail: The same in words.
        container: The container; empty for one that is missing.
        is_young: Whether it runs for less time than a release may take to be healthy.
    """

    host: str
    service: str
    role: Role
    up: bool
    outcome: Outcome
    detail: str
    container: str = ""
    is_young: bool = False

    @property
    def label(self) -> str:
        """What people call it: the service, and its host where there are several."""
        return f"{self.service} on {self.host}" if self.host else self.service

    @property
    def is_bad(self) -> bool:
        """Whether it said no, or could not be asked."""
        return self.outcome in (Outcome.FAILURE, Outcome.ERROR)


@dataclass(frozen=True)
class Observation:
    """One look at an environment.

    Attributes:
        at: Seconds on the guard's own clock.
        release: Identifier of the live release; empty when nothing is live.
        services: Its containers and those of backing services and router, on all hosts.
        away: Why hosts could not be asked, a line each; nothing is known of these. So it is with
            one that serves nothing, such as a host that is new.
        requests: What the live release answered since the round before; None when nobody can tell.
        checks: What the checks of `analysis` said; None when none was asked in this round.
    """

    at: float
    release: str
    services: tuple[ServiceSeen, ...] = ()
    away: tuple[str, ...] = ()
    requests: Tally | None = None
    checks: tuple[CheckSeen, ...] | None = None

    def of(self, *roles: Role, named: Sequence[str] = ()) -> list[ServiceSeen]:
        """What was seen of services with one of these roles, or of those that are named."""
        return [
            item
            for item in self.services
            if item.role in roles and (not named or item.service in named)
        ]


def look_at(
    fleet: Fleet,
    at: float,
    counter: RequestCounter | None = None,
    reader: CheckReader | None = None,
) -> Observation:
    """Look at an environment on all its hosts; changes nothing.

    Args:
        fleet: The environment.
        at: The guard's clock.
        counter: Counts requests, where the router keeps a log of them.
        reader: Asks the checks of `analysis`, where there are any.

    Raises:
        Exception: What the only host said that could not be asked.
    """
    looks = fleet.asked(lambda site: _look(site, counter, reader))
    away = [*fleet.away, *(item for item in looks if isinstance(item, Away))]
    there = [item for item in looks if not isinstance(item, Away)]
    services = [service for item in there for service in item.services]
    if any(map(_is_staged, services)) and _is_unfinished(fleet):
        services = [item for item in services if not _is_staged(item)]
    if any(item.release for item in there):
        away += [Away(item.host, "nothing is live there") for item in there if not item.release]
    tallies = [item.requests for item in there if item.requests is not None]
    checks = [item.checks for item in there if item.checks is not None]
    return Observation(
        at,
        next((item.release for item in there if item.release), ""),
        tuple(services),
        tuple(f"{item.host}: {item.why}" for item in away),
        sum(tallies, Tally()) if tallies else None,
        tuple(chain.from_iterable(checks)) if checks else None,
    )


def _is_staged(item: ServiceSeen) -> bool:
    """Whether it lacks a container, and a deploy that is paused may want it so.

    Its stages have fewer containers of a release than all traffic takes.
    """
    return not item.container and item.role in (Role.APP, Role.WORKER)


def _is_unfinished(fleet: Fleet) -> bool:
    """Whether a deploy is paused, or was interrupted."""
    return interrupted.of_journal(fleet.lead.journal.newest()) is not None


@dataclass(frozen=True)
class _HostSeen:
    host: str
    release: str = ""
    services: tuple[ServiceSeen, ...] = ()
    requests: Tally | None = None
    checks: tuple[CheckSeen, ...] | None = None


def _look(
    site: HostEnvironment, counter: RequestCounter | None, reader: CheckReader | None
) -> _HostSeen:
    seen = observe(site)
    if seen.live is None:
        return _HostSeen(site.host.name)
    requests = checks = None
    if counter and seen.slot:
        requests = counter.count(site.engine, seen.slot, site.host.name)
    if reader and seen.slot:
        checks = reader.ask(site, seen.slot, seen.live.id)
    services = tuple(_services(site, seen, seen.live))
    return _HostSeen(site.host.name, seen.live.id, services, requests, checks)


def _services(
    site: HostEnvironment, seen: EnvironmentState, live: Release
) -> Iterable[ServiceSeen]:
    host = site.host.name if site.remote else ""
    for name in live.named(*_WATCHED):
        role = live.settings(name).role
        slot = seen.slot if role in (Role.APP, Role.WORKER) else ""
        found = [item for item in seen.state.service(name) if item.slot == slot]
        for item in found:
            answer = _answer(site, seen, live, item)
            is_up = item.running and not (role is Role.ROUTER and not answer.healthy)
            is_young = item.running and _uptime(item) < site.rollout.health_timeout
            yield ServiceSeen(
                host, name, role, is_up, answer.outcome, answer.detail, item.id, is_young
            )
        wanted = live.replicas_of(name)
        if len(found) < wanted:
            said = f"{len(found)} of {wanted} containers exist"
            yield ServiceSeen(host, name, role, False, Outcome.FAILURE, said)


def _uptime(item: Container) -> float:
    """Seconds for which a container runs, as far as its status tells; after a minute, for long."""
    if item.status.startswith("Up Less than"):
        return 0.0
    found = _SECONDS.match(item.status)
    return float(found[1]) if found else math.inf


def _answer(
    site: HostEnvironment, seen: EnvironmentState, live: Release, item: Container
) -> Answer:
    if item.role == Role.ROUTER and item.running:
        fault = router_fault(site.engine, live, seen.state)
        return Answer(Outcome.FAILURE, fault) if fault else Answer(Outcome.HEALTHY, "it answers")
    return container_answer(site.engine, live, item)
