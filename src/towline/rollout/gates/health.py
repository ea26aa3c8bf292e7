"""The health gate: every container of a slot is healthy in time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from towline.config.services import Role
from towline.config.units import format_duration
from towline.health.probes import Answer
from towline.rollout.gates.base import Gate, GateContext, GateOutcome, Verdict
from towline.rollout.gates.containers import Pace, Unfit, ask_containers, start_period

_POLL = 0.05
# Seconds after which people are told what a release answers that is not healthy yet.
SILENCE = 5.0


@dataclass(frozen=True)
class Health(Gate):
    """Passes as soon as every container is healthy; a crash ends the wait at once.

    Attributes:
        timeout: Seconds that it may take, after the longest `start_period` of what is asked.
        roles: The services that are asked.
    """

    name = "health"
    asked_again = True

    timeout: float
    roles: tuple[Role, ...] = (Role.APP,)

    def check(self, context: GateContext) -> Verdict:
        """See `Gate.check`."""
        names = context.release.named(*self.roles)
        started = time.monotonic()
        told, pace = "", Pace()
        limit = self.timeout + start_period(context, names)
        while True:
            context.check_cancelled()
            try:
                answers = ask_containers(context, context.engine.observe(), names, pace)
            except Unfit as error:
                return error.verdict
            took = time.monotonic() - started
            verdict = _verdict(answers, took)
            if verdict.outcome is GateOutcome.PASS or took > limit:
                return verdict
            name, worst = _worst(answers)
            if took > SILENCE and worst.detail != told:
                told = worst.detail
                context.say(f"waiting for {name}: {'; '.join(filter(None, (told, worst.hint)))}")
            time.sleep(_POLL)


def _worst(answers: Mapping[str, Answer]) -> tuple[str, Answer]:
    return next((name, answer) for name, answer in answers.items() if not answer.healthy)


def _verdict(answers: Mapping[str, Answer], took: float) -> Verdict:
    healthy, count = sum(answer.healthy for answer in answers.values()), len(answers)
    figures = {"healthy": healthy, "containers": count, "seconds": round(took, 3)}
    if healthy == count:
        said = f"{count} of {count} healthy after {format_duration(took)}"
        return Verdict(GateOutcome.PASS, said, figures)
    worst = _worst(answers)[1]
    said = f"{healthy} of {count} containers healthy after {format_duration(took)}"
    return Verdict(
        GateOutcome.FAIL, f"{said}; last answer: {worst.detail}", figures, remedy=worst.hint
    )
