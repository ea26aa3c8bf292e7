"""Gates: what must hold before a stage counts as reached."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from towline.config.models import Rollout, Smoke
from towline.config.services import Role
from towline.config.units import format_duration
from towline.engines.base import Engine
from towline.engines.releases import Release
from towline.engines.world import Container, World
from towline.errors import TowlineError
from towline.health.probes import Answer, Outcome, http_probe
from towline.health.smoke import run_smoke
from towline.routing.nginx import ASK_PORT

_POLL = 0.05
_WATCH_POLL = 0.25
_SHOWN_LINES = 8
_NOT_WELL = (Outcome.FAILURE, Outcome.ERROR)


class GateFailed(TowlineError):
    """A gate said no; `gate` names it, the message carries the figures."""

    def __init__(
        self, gate: str, message: str, *, details: tuple[str, ...] = (), remedy: str = ""
    ) -> None:
        super().__init__(f"gate {gate} failed: {message}", details=details, remedy=remedy)
        self.gate = gate


@dataclass(frozen=True)
class Gates:
    """The gates of one operation.

    Attributes:
        tick: Called in every wait; raises when the operation is to stop.
    """

    engine: Engine
    rollout: Rollout
    smoke_tests: Smoke
    folder: Path
    tick: Callable[[], None]

    def health(self, release: Release, colour: str, roles: tuple[Role, ...] = (Role.APP,)) -> str:
        """Wait until every container of a slot is healthy; a crash ends the wait at once.

        Returns:
            The figures, for the journal and for people.

        Raises:
            GateFailed: When one crashed, or is not healthy in time.
        """
        names = release.named(*roles)
        started = time.monotonic()
        deadline = started + self.rollout.health_timeout
        while True:
            self.tick()
            answers = self._ask(release, self.engine.observe(), colour, names)
            took = time.monotonic() - started
            if all(answer.healthy for answer in answers.values()):
                return f"{len(answers)} of {len(answers)} healthy after {format_duration(took)}"
            if time.monotonic() > deadline:
                healthy = sum(answer.healthy for answer in answers.values())
                worst = next(a for a in answers.values() if not a.healthy)
                raise GateFailed(
                    "health",
                    f"{healthy} of {len(answers)} containers healthy after "
                    f"{format_duration(took)}; last answer: {worst.detail}",
                    remedy=worst.hint,
                )
            time.sleep(_POLL)

    def kept_healthy(self, release: Release) -> str:
        """Wait until backing services and the router are healthy."""
        names = release.named(Role.BACKING, Role.ROUTER)
        if not names:
            return ""
        return self.health(release, "", (Role.BACKING, Role.ROUTER))

    def smoke(self, release: Release, colour: str) -> str:
        """Run the smoke tests against a slot that has no traffic yet."""
        tests = len(self.smoke_tests.requests) + len(self.smoke_tests.websockets)
        if not tests and not self.smoke_tests.command:
            return "no smoke tests configured"
        address = self._first_address(release, colour)
        results = run_smoke(
            f"http://{address[0]}:{address[1]}", self.smoke_tests, folder=self.folder
        )
        failed = [result for result in results if not result.answer.healthy]
        if failed:
            said = "; ".join(f"{item.name}: {item.answer.detail}" for item in failed)
            count = f"{len(failed)} of {len(results)} failed"
            raise GateFailed(
                "smoke",
                f"{count} after {failed[0].attempts} attempts; {said}",
                details=failed[0].output,
                remedy=failed[0].answer.hint,
            )
        return f"{len(results)} of {len(results)} passed"

    def watch(self, release: Release, colour: str) -> str:
        """Watch a release under traffic; a few failed rounds are forgiven, a crash is not.

        Raises:
            GateFailed: When it failed more rounds in a row than `max_failures`.
        """
        names = release.named(Role.APP, Role.WORKER)
        ends = time.monotonic() + self.rollout.watch
        rounds = failures = row = 0
        while time.monotonic() < ends:
            self.tick()
            rounds += 1
            answers = self._ask(release, self.engine.observe(), colour, names)
            bad = [a.detail for a in answers.values() if a.outcome in _NOT_WELL]
            failures, row = (failures + 1, row + 1) if bad else (failures, 0)
            if row > self.rollout.max_failures:
                raise GateFailed(
                    "watch", f"{row} rounds in a row failed, of {rounds}; last: {bad[0]}"
                )
            time.sleep(min(_WATCH_POLL, max(0.0, ends - time.monotonic())))
        took = format_duration(self.rollout.watch)
        return f"{rounds - failures} of {rounds} rounds healthy in {took}"

    def _ask(
        self, release: Release, world: World, colour: str, names: list[str]
    ) -> Mapping[str, Answer]:
        answers: dict[str, Answer] = {}
        for name in names:
            # What stays over releases carries no release of its own.
            ours = (release.id, "")
            found = [c for c in world.of(colour) if c.service == name and c.release in ours]
            wanted = release.replicas if release.settings(name).role is Role.APP else 1
            if len(found) < wanted:
                raise GateFailed("health", f"{name}: {len(found)} of {wanted} containers exist")
            for item in found:
                answers[item.name] = self._answer(release, item)
        return answers

    def _answer(self, release: Release, item: Container) -> Answer:
        if not item.running:
            raise self._crashed(item, self.engine.trouble(item) or item.status or item.state)
        answer = container_answer(self.engine, release, item)
        if not answer.healthy and (trouble := self.engine.trouble(item)):
            raise self._crashed(item, trouble)
        return answer

    def _crashed(self, item: Container, trouble: str) -> GateFailed:
        lines = self.engine.logs(item, _SHOWN_LINES)
        details = (f"last lines of {item.name}:", *(f"  {line}" for line in lines))
        return GateFailed(
            "health", f"container {item.name} {trouble}", details=details if lines else ()
        )

    def _first_address(self, release: Release, colour: str) -> tuple[str, int]:
        for name in release.named(Role.APP):
            port = release.settings(name).port
            for item in self.engine.observe().of(colour):
                if item.service == name and port:
                    address = self.engine.address(item, port)
                    if address:
                        return address
        raise GateFailed("smoke", "no app service has a port to test")


def container_answer(engine: Engine, release: Release, item: Container) -> Answer:
    """One container's health: its HTTP probe, else its own healthcheck, else that it stays up."""
    if not item.running:
        return Answer(Outcome.FAILURE, item.status or item.state)
    settings = release.settings(item.service)
    if settings.health:
        port = settings.health.port or settings.port
        address = engine.address(item, port) if port else None
        if address is None:
            return Answer(Outcome.ERROR, "has a health path but no port to ask")
        probe = settings.health
        return http_probe(address, probe.path, status=probe.status, headers=probe.headers)
    if item.role == Role.ROUTER and (address := engine.address(item, ASK_PORT)):
        return http_probe(address, "/routes")
    if item.health in ("unhealthy", "starting"):
        outcome = Outcome.FAILURE if item.health == "unhealthy" else Outcome.INCONCLUSIVE
        return Answer(outcome, f"its healthcheck says {item.health}")
    if item.health:
        return Answer(Outcome.HEALTHY, "its healthcheck says healthy")
    if item.status.startswith("Up Less than"):
        return Answer(Outcome.INCONCLUSIVE, "just started, and has no probe")
    return Answer(Outcome.HEALTHY, "running (it has no probe)")
