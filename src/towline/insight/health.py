"""The health of every service of an environment."""

import time
from dataclasses import dataclass, replace
from typing import Any

from towline.config.services import Role
from towline.engines.observed import Container
from towline.environments.host_environment import (
    Away,
    EnvironmentState,
    Fleet,
    HostEnvironment,
    observe,
)
from towline.errors import CheckFailed
from towline.health.asking import ask_probe
from towline.health.guesses import guess_probe
from towline.health.probes import Answer, Outcome
from towline.rollout.serving import container_answer, probe_target
from towline.state.releases import Release

_POLL = 0.25
# What stands for the services of a host that cannot be asked.
_HOST = "(host)"


@dataclass(frozen=True)
class ServiceHealth:
    """The health of one container of a service.

    Attributes:
        slot: `blue`, `green`, or `shared` for what is not replaced.
        answer: What it said, or why it could not be asked.
        host: Where it runs; empty on this machine.
        kind: What was asked; see `Answer.kind`.
        seconds: How long the answer took; None where nothing was asked over time.
    """

    health: Outcome
    service: str
    slot: str
    release: str
    answer: str
    host: str = ""
    kind: str = ""
    seconds: float | None = None

    def data(self) -> dict[str, Any]:
        """As plain data."""
        host = {"host": self.host} if self.host else {}
        return {
            **host,
            "health": self.health.value,
            "service": self.service,
            "slot": self.slot,
            "release": self.release,
            "kind": self.kind,
            "seconds": self.seconds,
            "answer": self.answer,
        }


def report(fleet: Fleet, *, timeout: float = 0.0) -> list[ServiceHealth]:
    """One record a service and slot in use; waits up to `timeout` seconds until all are healthy."""
    if not fleet.lead.remote:
        return _report(fleet.lead, timeout)
    services: list[ServiceHealth] = []
    found = fleet.asked(lambda site: _report(site, timeout))
    for given in found:
        services += [_away(given)] if isinstance(given, Away) else given
    return services + [_away(item) for item in fleet.away]


def _away(away: Away) -> ServiceHealth:
    """What is said of a host that cannot be asked."""
    return ServiceHealth(Outcome.ERROR, _HOST, "", "", f"away: {away.why}", away.host)


def _report(site: HostEnvironment, timeout: float) -> list[ServiceHealth]:
    deadline = time.monotonic() + timeout
    while True:
        found = _services(site, observe(site))
        healthy = found and all(item.health is Outcome.HEALTHY for item in found)
        if healthy or time.monotonic() > deadline:
            return found
        time.sleep(_POLL)


def require_healthy(services: list[ServiceHealth], name: str) -> None:
    """Raise CheckFailed when a service is not healthy, or none is there."""
    if not services:
        raise CheckFailed(
            f"nothing is deployed in {name}", remedy=f"`inv deploy --env {name}` deploys"
        )
    away = [item.host for item in services if item.service == _HOST]
    if away:
        raise CheckFailed(
            f"{', '.join(away)} of {name} cannot be asked", remedy="check the network and that host"
        )
    bad = [item.service for item in services if item.health is not Outcome.HEALTHY]
    if bad:
        raise CheckFailed(
            f"{len(bad)} of {len(services)} services are not healthy in {name}: {', '.join(bad)}",
            remedy=f"`inv logs --env {name} --service {bad[0]}` shows what it printed",
        )


def _services(site: HostEnvironment, seen: EnvironmentState) -> list[ServiceHealth]:
    live = seen.live
    if live is None:
        return []
    found = []
    host = site.host.name if site.remote else ""
    for name in sorted(live.services):
        if live.settings(name).role == "job":
            continue
        own = [c for c in seen.state.service(name) if c.slot in ("", seen.slot)]
        places: list[Container | None] = [*own] or [None]
        for item in places:
            answer = _answer(site, live, item)
            found.append(
                ServiceHealth(
                    health=answer.outcome,
                    service=name,
                    slot=item.slot if item and item.slot else "shared",
                    release=item.version if item and item.version else "",
                    answer=answer.detail,
                    host=host,
                    kind=answer.kind,
                    seconds=round(answer.seconds, 6) if answer.seconds else None,
                )
            )
    return found


def _answer(site: HostEnvironment, live: Release, item: Container | None) -> Answer:
    if item is None:
        return Answer(Outcome.FAILURE, "no container exists")
    answer = container_answer(site.engine, live, item, in_deploy=False)
    settings = live.settings(item.service)
    if settings.health or settings.role is not Role.BACKING or not item.running:
        return answer
    probe = guess_probe(live.images.get(item.service, ""), item.service)
    if probe is None:
        return answer
    return _with_guess(answer, ask_probe(probe, probe_target(site.engine, item, None, False)))


def _with_guess(answer: Answer, guess: Answer) -> Answer:
    """An answer and what a guessed probe says besides, which decides nothing."""
    if guess.healthy:
        said = f"{answer.detail}; {guess.kind}: {guess.detail}"
        return replace(answer, detail=said)
    said = (
        f"{answer.detail}; a guessed probe says: {guess.kind}: {guess.detail} (not counted: "
        f"`health: {{kind: {guess.kind}}}` in x-towline makes it count)"
    )
    return replace(answer, detail=said)
