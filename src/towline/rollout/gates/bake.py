"""The bake gate: a release stays well under traffic for a while."""

import time
from dataclasses import dataclass, field

from towline.config.services import Role
from towline.config.units import format_duration
from towline.health.probes import Outcome
from towline.rollout.gates.base import Gate, GateContext, GateOutcome, Verdict
from towline.rollout.gates.containers import Pace, Unfit, ask_containers
from towline.rollout.serving import restart_router, router_fault

_POLL = 0.25
_NOT_WELL = (Outcome.FAILURE, Outcome.ERROR)


@dataclass(frozen=True)
class Bake(Gate):
    """Passes at the end of its time; a few failed rounds are forgiven, a crash is not.

    A router that died is started again: users wait for it, and no other release would help.

    Attributes:
        time: Seconds under traffic.
        max_failures: Failed rounds in a row, or deaths of the router, that are forgiven.
        roles: The services that are asked.
    """

    name = "bake"
    under_traffic = True

    time: float
    max_failures: int
    roles: tuple[Role, ...] = (Role.APP, Role.WORKER)

    def check(self, context: GateContext) -> Verdict:
        """See `Gate.check`."""
        rounds = Rounds(context, self.max_failures, self.roles)
        ends = time.monotonic() + self.time
        while time.monotonic() < ends:
            context.check_cancelled()
            if bad := rounds.ask():
                return bad
            time.sleep(min(_POLL, max(0.0, ends - time.monotonic())))
        again = "; the router had died, and was started again" if rounds.restarts else ""
        took = format_duration(self.time)
        said = f"{rounds.count - rounds.failures} of {rounds.count} rounds healthy in {took}{again}"
        return Verdict(GateOutcome.PASS, said, rounds.figures)


@dataclass
class Rounds:
    """Rounds in which every container is asked whether it is well, for whoever watches.

    Attributes:
        max_failures: Failed rounds in a row, or deaths of the router, that are forgiven.
        roles: The services that are asked.
    """

    context: GateContext
    max_failures: int
    roles: tuple[Role, ...]
    count: int = 0
    failures: int = 0
    restarts: int = 0
    _row: int = 0
    _last: str = ""
    _pace: Pace = field(default_factory=Pace)

    @property
    def figures(self) -> dict[str, float]:
        """What was seen so far."""
        return {
            "rounds": self.count,
            "failed": self.failures,
            "router_restarts": self.restarts,
        }

    def ask(self) -> Verdict | None:
        """Ask once; the verdict when that was too much, None as long as it is not."""
        context = self.context
        self.restarts += restart_router(context.engine, context.release)
        try:
            bad = _faults(context, context.release.named(*self.roles), self._pace)
        except Unfit as error:
            return error.verdict
        if bad is not None:
            self.count += 1
            self.failures, self._row = (
                (self.failures + 1, self._row + 1) if bad else (self.failures, 0)
            )
            self._last = bad[0] if bad else self._last
        if max(self._row, self.restarts) <= self.max_failures:
            return None
        said = f"the router died {self.restarts} times"
        if self._row:
            said = f"{self._row} rounds in a row failed, of {self.count}; last: {self._last}"
        return Verdict(GateOutcome.FAIL, said, self.figures)


def _faults(context: GateContext, names: list[str], pace: Pace) -> list[str] | None:
    """Why a round failed, one line each; None when all that is bad was told in a round before."""
    observed = context.engine.observe()
    answers = ask_containers(context, observed, names, pace)
    bad = {name: answer for name, answer in answers.items() if answer.outcome in _NOT_WELL}
    router = router_fault(context.engine, context.release, observed)
    if bad and not router and not pace.news & bad.keys():
        return None
    return [*(answer.detail for answer in bad.values()), *filter(None, [router])]
