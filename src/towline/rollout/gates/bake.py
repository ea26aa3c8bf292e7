"""The bake gate: a release stays well under traffic for a while."""

import time
from dataclasses import dataclass

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
    """

    name = "bake"
    under_traffic = True

    time: float
    max_failures: int

    def check(self, context: GateContext) -> Verdict:
        """See `Gate.check`."""
        names = context.release.named(Role.APP, Role.WORKER)
        ends = time.monotonic() + self.time
        rounds = failures = row = restarts = 0
        pace, last = Pace(), ""
        while time.monotonic() < ends:
            context.tick()
            restarts += restart_router(context.engine, context.release)
            try:
                bad = _faults(context, names, pace)
            except Unfit as error:
                return error.verdict
            if bad is not None:
                rounds += 1
                failures, row = (failures + 1, row + 1) if bad else (failures, 0)
            figures = {"rounds": rounds, "failed": failures, "router_restarts": restarts}
            last = bad[0] if bad else last
            if max(row, restarts) > self.max_failures:
                said = f"the router died {restarts} times"
                if row:
                    said = f"{row} rounds in a row failed, of {rounds}; last: {last}"
                return Verdict(GateOutcome.FAIL, said, figures)
            time.sleep(min(_POLL, max(0.0, ends - time.monotonic())))
        again = "; the router had died, and was started again" if restarts else ""
        took = format_duration(self.time)
        figures = {"rounds": rounds, "failed": failures, "router_restarts": restarts}
        said = f"{rounds - failures} of {rounds} rounds healthy in {took}{again}"
        return Verdict(GateOutcome.PASS, said, figures)


def _faults(context: GateContext, names: list[str], pace: Pace) -> list[str] | None:
    """Why a round failed, one line each; None when all that is bad was told in a round before."""
    world = context.engine.observe()
    answers = ask_containers(context, world, names, pace)
    bad = {name: answer for name, answer in answers.items() if answer.outcome in _NOT_WELL}
    router = router_fault(context.engine, context.release, world)
    if bad and not router and not pace.news & bad.keys():
        return None
    return [*(answer.detail for answer in bad.values()), *filter(None, [router])]
