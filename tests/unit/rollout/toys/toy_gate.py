"""A toy gate, in one file: a release prints few lines with a word."""

from dataclasses import dataclass

from towline.rollout.gates.base import Gate, GateContext, GateOutcome, Verdict


@dataclass(frozen=True)
class FewLines(Gate):
    """Passes when no more than `limit` lines hold `word`; without any line it cannot tell."""

    name = "few-lines"

    word: str
    limit: int = 0

    def check(self, context: GateContext) -> Verdict:
        found = context.engine.observe().of(context.slot, "app")
        lines = [line for item in found for line in context.engine.logs(item, 9)]
        if not lines:
            return Verdict(GateOutcome.INCONCLUSIVE, "nothing was printed")
        count = sum(self.word in line for line in lines)
        outcome = GateOutcome.PASS if count <= self.limit else GateOutcome.FAIL
        return Verdict(outcome, f"{count} lines with {self.word}", {"lines": count})
