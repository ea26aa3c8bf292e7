"""What the containers of a release answer, for the gates that ask them."""

import time
from collections.abc import Callable, Sequence

from towline.config.services import Role
from towline.engines.observed import Container, ObservedState
from towline.environments.fence import now
from towline.health.probes import Answer
from towline.rollout.gates.base import GateContext, GateOutcome, Verdict
from towline.rollout.serving import container_answer, routing_fault

_SHOWN_LINES = 8


class Unfit(Exception):
    """A container is missing or crashed: waiting does not help."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.text)
        self.verdict = verdict


class Pace:
    """How often containers are asked: where their probe has an `interval`, not sooner again.

    Args:
        clock: Seconds that only grow.

    Attributes:
        news: Names of the containers that were asked in this round; others said it before.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: dict[str, tuple[float, Answer]] = {}
        self.news: set[str] = set()

    def answer(self, container: Container, interval: float, ask: Callable[[], Answer]) -> Answer:
        """What a container answered last, or answers now that its interval is over."""
        found = self._asked.get(container.id)
        if found and self._clock() - found[0] < interval:
            return found[1]
        answer = ask()
        self._asked[container.id] = self._clock(), answer
        self.news.add(container.name)
        return answer


def ask_containers(
    context: GateContext, observed: ObservedState, names: Sequence[str], pace: Pace | None = None
) -> dict[str, Answer]:
    """What each container of some services answers.

    Args:
        context: What the gate is asked about.
        observed: The containers that there are.
        names: The services.
        pace: Of a gate that asks again and again.

    Raises:
        Unfit: When one is missing or crashed.
    """
    pace = pace or Pace()
    pace.news.clear()
    answers: dict[str, Answer] = {}
    for name in names:
        # What stays over releases carries no release of its own.
        ours = (context.release.id, "")
        found = [c for c in observed.of(context.slot) if c.service == name and c.release in ours]
        wanted = context.wanted(name)
        if len(found) < wanted:
            said = f"{name}: {len(found)} of {wanted} containers exist"
            raise Unfit(Verdict(GateOutcome.FAIL, said))
        for item in found:
            answers[item.name] = _answer(context, item, pace)
    return answers


def is_healthy(context: GateContext) -> bool:
    """Whether every app container of a slot is healthy right now."""
    try:
        names = context.release.named(Role.APP)
        answers = ask_containers(context, context.engine.observe(), names)
    except Unfit:
        return False
    return all(answer.healthy for answer in answers.values())


def serving_fault(context: GateContext) -> str:
    """Why users do not get a release right now; empty when they do."""
    release, observed = context.release, context.engine.observe()
    if fault := routing_fault(context.engine, release, context.slot, observed):
        return fault
    try:
        answers = ask_containers(context, observed, release.named(Role.APP))
    except Unfit as error:
        return error.verdict.text
    return next((f"{n}: {a.detail}" for n, a in answers.items() if not a.healthy), "")


def start_period(context: GateContext, names: Sequence[str]) -> float:
    """Seconds that some services may take to start, before the time of a gate begins."""
    probes = (context.release.settings(name).health for name in names)
    return max((probe.start_period for probe in probes if probe), default=0.0)


def _answer(context: GateContext, item: Container, pace: Pace) -> Answer:
    engine = context.engine
    if not item.running:
        raise _crashed(context, item, engine.failure_reason(item) or item.status or item.state)
    probe = context.release.settings(item.service).health
    interval = probe.interval or 0.0 if probe else 0.0
    answer = pace.answer(item, interval, lambda: container_answer(engine, context.release, item))
    if not answer.healthy and (failure_reason := engine.failure_reason(item)):
        raise _crashed(context, item, failure_reason)
    return answer


def _crashed(context: GateContext, item: Container, failure_reason: str) -> Unfit:
    lines = context.engine.logs(item, _SHOWN_LINES, now() - context.since)
    details = (f"last lines of {item.name}:", *(f"  {line}" for line in lines)) if lines else ()
    return Unfit(
        Verdict(GateOutcome.FAIL, f"container {item.name} {failure_reason}", details=details)
    )
