"""The analysis gate: a release is judged under traffic, by what its users really got."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from towline.analysis.analyst import Analyst, Conclusion
from towline.analysis.checks import Answer, ResolvedCheck, resolve
from towline.analysis.sources.base import SourceContext, Window
from towline.config.analysis_section import Analysis as Section
from towline.config.services import Role
from towline.config.units import format_duration
from towline.engines.observed import other
from towline.rollout.gates.bake import Rounds
from towline.rollout.gates.base import Gate, GateContext, GateOutcome, Verdict

# Seconds between two rounds of health; figures are asked for every `interval`.
_POLL = 1.0
_OUTCOMES = {
    Answer.PASS: GateOutcome.PASS,
    Answer.FAIL: GateOutcome.FAIL,
    Answer.ERROR: GateOutcome.ERROR,
    Answer.INCONCLUSIVE: GateOutcome.INCONCLUSIVE,
    Answer.NO_DATA: GateOutcome.INCONCLUSIVE,
}
# A new environment has no users yet, and there is no release to roll back to.
_FIRST = "the first release has no traffic to be judged by"
_SAID = {Answer.FAIL: "failed", Answer.ERROR: "could not be asked"}


@dataclass(frozen=True)
class Analysis(Gate):
    """Passes when every check does at the end of the window; ends early when one fails for good.

    Meanwhile the release is watched as it is while it bakes: a crash ends it at once.

    Attributes:
        window: Seconds under traffic.
        section: The settings.
        max_failures: Failed rounds of health in a row, or deaths of the router, that are forgiven.
        is_compared: Whether the old release has traffic at the same time; without it, checks that
            compare are left out.
        checks: The checks of the settings.
    """

    name = "analysis"
    under_traffic = True

    window: float
    section: Section
    max_failures: int
    is_compared: bool = True
    checks: tuple[ResolvedCheck, ...] = field(default=(), compare=False)

    @property
    def _roles(self) -> tuple[Role, ...]:
        """The services that are asked: workers are handed over with the last of the traffic."""
        return (Role.APP,) if self.is_compared else (Role.APP, Role.WORKER)

    @classmethod
    def of(cls, window: float, section: Section, max_failures: int, *, is_compared: bool) -> Gate:
        """The gate that these settings make.

        Raises:
            UsageError: When a check has no source.
        """
        return cls(window, section, max_failures, is_compared, tuple(resolve(section)))

    def check(self, context: GateContext) -> Verdict:
        """See `Gate.check`."""
        slot, rounds = context.slot, Rounds(context, self.max_failures, self._roles)
        observed = context.engine.observe()
        old = other(slot) if self.is_compared and observed.release_of(other(slot)) else ""
        is_first = not observed.release_of(other(slot))
        releases = {name: observed.release_of(name) for name in (slot, other(slot))}
        sources = SourceContext(
            context.engine, releases, keep=self.window + 60, folder=context.folder
        )
        analyst = Analyst(self.section, sources, slot, old, self.checks)
        began, ends = time.time(), time.monotonic() + self.window
        analyst.begin(began)
        asked = time.monotonic()
        while True:
            context.check_cancelled()
            if bad := rounds.ask():
                return _with_figures(bad, analyst)
            is_over = time.monotonic() >= ends
            if is_over or time.monotonic() - asked >= self.section.interval:
                asked = time.monotonic()
                analyst.ask(Window(began, time.time()))
                if found := analyst.early():
                    return self._verdict(analyst, found, time.time() - began)
            if is_over:
                found = analyst.conclude()
                if found.answer is Answer.NO_DATA and is_first:
                    return Verdict(GateOutcome.PASS, f"{_FIRST}: {found.text}", analyst.figures())
                return self._verdict(analyst, found, time.time() - began)
            time.sleep(max(0.0, min(_POLL, self.section.interval, ends - time.monotonic())))

    def _verdict(self, analyst: Analyst, found: Conclusion, took: float) -> Verdict:
        counts = found.because[0].counts if found.because else {}
        repeated = counts.get(found.answer, 0)
        said = found.text
        if found.answer is Answer.PASS:
            count = len(analyst.tallies)
            checks = "1 check" if count == 1 else f"{count} checks"
            said = f"{checks} passed in {format_duration(took)}: {said}"
        elif repeated > 1:
            times = f"{repeated} of {sum(counts.values())} times in {format_duration(took)}"
            said = f"{_SAID.get(found.answer, found.answer)} {times}: {said}"
        remedy = ""
        if found.answer is Answer.NO_DATA:
            remedy = (
                "a longer `window` or a smaller `minimum` in `analysis`; `on_no_data: pass` goes "
                "on without figures"
            )
        details = [item.last.text for item in analyst.tallies.values() if item.last]
        return Verdict(
            _OUTCOMES[found.answer], said, analyst.figures(), details=tuple(details), remedy=remedy
        )


def _with_figures(verdict: Verdict, analyst: Analyst) -> Verdict:
    figures = {**verdict.figures, **analyst.figures()}
    return Verdict(verdict.outcome, verdict.text, figures, verdict.details, verdict.remedy)
