"""The bake gate: a release stays well under traffic for a while."""

import time
from dataclasses import dataclass

from towline.config.services import Role
from towline.config.units import format_duration
from towline.health.probes import Outcome
from towline.rollout.gates.base import Gate, GateContext, GateOutcome, Verdict
from towline.rollout.gates.containers import Unfit, ask_containers
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
        names = context.release.named(*self.roles)
        ends = time.monotonic() + self.time
        rounds = failures = row = restarts = 0
        while time.monotonic() < ends:
            context.tick()
            rounds += 1
            restarts += restart_router(context.engine, context.release)
            try:
                bad = _faults(context, names)
            except Unfit as error:
                return error.verdict
            failures, row = (failures + 1, row + 1) if bad else (failures, 0)
            figures = {"rounds": rounds, "failed": failures, "router_restarts": restarts}
            if max(row, restarts) > self.max_failures:
                said = f"the router died {restarts} times"
                if row:
                    said = f"{row} rounds in a row failed, of {rounds}; last: {bad[0]}"
                return Verdict(GateOutcome.FAIL, said, figures)
            time.sleep(min(_POLL, max(0.0, ends - time.monotonic())))
        again = "; the router had died, and was started again" if restarts else ""
        took = format_duration(self.time)
        figures = {"rounds": rounds, "failed": failures, "router_restarts": restarts}
        said = f"{rounds - failures} of {rounds} rounds healthy in {took}{again}"
        return Verdict(GateOutcome.PASS, said, figures)


def _faults(context: GateContext, names: list[str]) -> list[str]:
    """Why a round failed, one line each."""
    world = context.engine.observe()
    answers = ask_containers(context, world, names)
    bad = [answer.detail for answer in answers.values() if answer.outcome in _NOT_WELL]
    return [*bad, *filter(None, [router_fault(context.engine, context.release, world)])]
