"""Gates: what must hold before a stage counts as reached."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from towline.config.deploy_sections import Rollout, Smoke
from towline.config.services import Role
from towline.config.units import format_duration
from towline.engines.base import Engine
from towline.engines.world import Container, World
from towline.environments.fence import now
from towline.errors import TowlineError
from towline.health.probes import Answer, Outcome
from towline.health.smoke import run_smoke
from towline.rollout.serving import container_answer, restart_router, router_fault, routing_fault
from towline.state.lock import silent
from towline.state.releases import Release

_POLL = 0.05
_WATCH_POLL = 0.25
_SHOWN_LINES = 8
# Seconds after which people are told what a release answers that is not healthy yet.
SILENCE = 5.0
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
        say: Tells people, while they wait, what a gate waits for.
        since: When the operation began, by `fence.now`; older lines of a container are not shown.
    """

    engine: Engine
    rollout: Rollout
    smoke_tests: Smoke
    folder: Path
    tick: Callable[[], None]
    say: Callable[[str], None] = silent
    since: float = field(default_factory=now)

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
        told = ""
        while True:
            self.tick()
            answers = self._ask(release, self.engine.observe(), colour, names)
            took = time.monotonic() - started
            if all(answer.healthy for answer in answers.values()):
                return f"{len(answers)} of {len(answers)} healthy after {format_duration(took)}"
            name, worst = next((n, a) for n, a in answers.items() if not a.healthy)
            if took > SILENCE and worst.detail != told:
                told = worst.detail
                self.say(f"waiting for {name}: {'; '.join(filter(None, (told, worst.hint)))}")
            if time.monotonic() > deadline:
                healthy = sum(answer.healthy for answer in answers.values())
                raise GateFailed(
                    "health",
                    f"{healthy} of {len(answers)} containers healthy after "
                    f"{format_duration(took)}; last answer: {worst.detail}",
                    remedy=worst.hint,
                )
            time.sleep(_POLL)

    def is_healthy(self, release: Release, colour: str) -> bool:
        """Whether every app container of a slot is healthy right now."""
        try:
            world = self.engine.observe()
            answers = self._ask(release, world, colour, release.named(Role.APP))
        except GateFailed:
            return False
        return all(answer.healthy for answer in answers.values())

    def serving_fault(self, release: Release, colour: str) -> str:
        """Why users do not get a release right now; empty when they do."""
        world = self.engine.observe()
        if fault := routing_fault(self.engine, release, colour, world):
            return fault
        try:
            answers = self._ask(release, world, colour, release.named(Role.APP))
        except GateFailed as error:
            return error.message
        return next((f"{n}: {a.detail}" for n, a in answers.items() if not a.healthy), "")

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

        A router that died is started again: users wait for it, and no other release would help.

        Raises:
            GateFailed: When it failed more rounds in a row than `max_failures`.
        """
        names = release.named(Role.APP, Role.WORKER)
        ends = time.monotonic() + self.rollout.bake_time
        rounds = failures = row = restarts = 0
        while time.monotonic() < ends:
            self.tick()
            rounds += 1
            restarts += restart_router(self.engine, release)
            world = self.engine.observe()
            answers = self._ask(release, world, colour, names)
            bad = [a.detail for a in answers.values() if a.outcome in _NOT_WELL]
            bad += filter(None, [router_fault(self.engine, release, world)])
            failures, row = (failures + 1, row + 1) if bad else (failures, 0)
            if max(row, restarts) > self.rollout.max_failures:
                raise GateFailed(
                    "watch",
                    f"{row} rounds in a row failed, of {rounds}; last: {bad[0]}"
                    if row
                    else f"the router died {restarts} times",
                )
            time.sleep(min(_WATCH_POLL, max(0.0, ends - time.monotonic())))
        took = format_duration(self.rollout.bake_time)
        again = "; the router had died, and was started again" if restarts else ""
        return f"{rounds - failures} of {rounds} rounds healthy in {took}{again}"

    def _ask(
        self, release: Release, world: World, colour: str, names: list[str]
    ) -> Mapping[str, Answer]:
        answers: dict[str, Answer] = {}
        for name in names:
            # What stays over releases carries no release of its own.
            ours = (release.id, "")
            found = [c for c in world.of(colour) if c.service == name and c.release in ours]
            wanted = release.replicas_of(name)
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
        lines = self.engine.logs(item, _SHOWN_LINES, now() - self.since)
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
