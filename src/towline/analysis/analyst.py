"""The analyst asks the checks of an environment again and again, and counts what they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from towline.analysis.checks import (
    Answer,
    CheckAnswer,
    ResolvedCheck,
    could_not_ask,
    evaluate,
)
from towline.analysis.judge import judge_score
from towline.analysis.sources.base import (
    Sample,
    Source,
    SourceContext,
    SourceError,
    Window,
    find_sources,
)
from towline.config.analysis_section import Analysis
from towline.errors import Locked


@dataclass
class Tally:
    """What one check answered so far; failures, errors and inconclusive answers apart."""

    check: ResolvedCheck
    counts: Counter[Answer] = field(default_factory=Counter)
    last: CheckAnswer | None = None

    def add(self, answer: CheckAnswer) -> None:
        """Count an answer."""
        self.counts[answer.answer] += 1
        self.last = answer

    @property
    def spent(self) -> Answer | None:
        """The kind of answer that was given more often than is tolerated; None when none was.

        Too few observations are none of them: more may come.
        """
        limits = self.check.settings
        for answer, limit in (
            (Answer.FAIL, limits.limit),
            (Answer.ERROR, limits.errors),
            (Answer.INCONCLUSIVE, limits.inconclusive),
        ):
            if self.counts[answer] > limit:
                return answer
        return None

    @property
    def final(self) -> Answer:
        """What it comes to when nothing more is asked: what was spent, else its last answer."""
        if self.spent is not None:
            return self.spent
        return self.last.answer if self.last else Answer.NO_DATA


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What all checks come to.

    Attributes:
        answer: The worst of them, as far as they are critical; the score decides on the others.
        score: From 0 to 100: the weight of what passed; of checks that are not critical.
        because: The checks that it rests on.
    """

    answer: Answer
    score: float
    because: tuple[Tally, ...]

    @property
    def text(self) -> str:
        """What the checks said last, in one line."""
        said = [item.last.text for item in self.because if item.last]
        return "; ".join(said) or "nothing was asked"


@dataclass
class Analyst:
    """Judges one slot.

    Attributes:
        section: The settings.
        context: What sources are opened with.
        slot: The slot that is judged.
        old: The slot of the old release; empty where it has no traffic: then checks that compare
            are left out.
        checks: What is asked.
    """

    section: Analysis
    context: SourceContext
    slot: str
    old: str
    checks: Sequence[ResolvedCheck]
    tallies: dict[str, Tally] = field(init=False)
    _sources: dict[str, Source] = field(init=False)
    _keys: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        asked = [item for item in self.checks if self.old or not item.settings.compares]
        self.tallies = {item.name: Tally(item) for item in asked}
        self._sources, self._keys, kinds = {}, {}, find_sources()
        for item in asked:
            kind = kinds[item.source]
            key = item.source if kind.is_shared else f"{item.source} {item.name}"
            self._keys[item.name] = key
            if key not in self._sources:
                context = replace(self.context, settings=item.settings.model_dump())
                self._sources[key] = kind.open(context)

    def begin(self, at: float) -> None:
        """Have sources remember where they are: what was before is not this release's.

        Args:
            at: Unix time.
        """
        for tally in self.tallies.values():
            self._sample(tally.check, self.slot, Window(at, at))

    def ask(self, window: Window) -> list[CheckAnswer]:
        """Ask every check once, and count the answers."""
        found = []
        for tally in self.tallies.values():
            check = tally.check
            new = self._sample(check, self.slot, window)
            old: Sample | str | None = None
            if check.settings.compares:
                old = self._sample(check, self.old, window)
            why = next((item for item in (new, old) if isinstance(item, str)), None)
            if isinstance(new, str) or isinstance(old, str):
                answer = could_not_ask(check, why or "")
            else:
                answer = evaluate(check, new, old)
            tally.add(answer)
            found.append(answer)
        return found

    def early(self) -> Conclusion | None:
        """A conclusion that no later answer can change; None while it is open."""
        spent = [item for item in self._critical if item.spent is not None]
        for kind in (Answer.FAIL, Answer.ERROR, Answer.INCONCLUSIVE):
            because = [item for item in spent if item.spent is kind]
            if because:
                return Conclusion(kind, self._score()[0], tuple(because))
        return None

    def conclude(self) -> Conclusion:
        """What the checks come to at the end of the window."""
        score, verdict = self._score()
        finals = [(item, self._meaning(item)) for item in self._critical]
        for kind in (Answer.FAIL, Answer.ERROR, Answer.INCONCLUSIVE, Answer.NO_DATA):
            because = tuple(item for item, answer in finals if answer is kind)
            if because:
                return Conclusion(kind, score, because)
        if verdict != "pass":
            answer = Answer.FAIL if verdict == "fail" else Answer.INCONCLUSIVE
            others = [item for item in self.tallies.values() if not item.check.settings.critical]
            because = tuple(item for item in others if self._meaning(item) is not Answer.PASS)
            return Conclusion(answer, score, because)
        return Conclusion(Answer.PASS, score, tuple(self.tallies.values()))

    def figures(self) -> dict[str, float]:
        """All figures by name: `CHECK`, `CHECK_old`, `CHECK_count` and how it was answered."""
        found: dict[str, float] = {}
        for name, tally in self.tallies.items():
            last = tally.last
            for key, value in (
                (name, last.value if last else None),
                (f"{name}_old", last.old if last else None),
                (f"{name}_count", last.count if last else None),
            ):
                if value is not None:
                    found[key] = round(value, 6)
            for answer, count in tally.counts.items():
                found[f"{name}_{answer.name.lower()}"] = count
        return found

    @property
    def _critical(self) -> list[Tally]:
        return [item for item in self.tallies.values() if item.check.settings.critical]

    def _meaning(self, tally: Tally) -> Answer:
        """What a check comes to, when too few observations mean what the settings say."""
        if tally.final is not Answer.NO_DATA:
            return tally.final
        meanings = {"pass": Answer.PASS, "fail": Answer.FAIL, "hold": Answer.NO_DATA}
        return meanings[self.section.on_no_data]

    def _score(self) -> tuple[float, str]:
        counted = [
            (self._meaning(item) is Answer.PASS, item.check.settings.weight)
            for item in self.tallies.values()
            if not item.check.settings.critical and item.final is not Answer.NO_DATA
        ]
        limits = self.section.score
        return judge_score(counted, limits.passing, limits.marginal)

    def _sample(self, check: ResolvedCheck, slot: str, window: Window) -> Sample | str:
        """A figure, or why there is none."""
        try:
            return self._sources[self._keys[check.name]].read(check.metric, slot, window)
        except SourceError as error:
            return "; ".join(filter(None, (error.message, error.remedy)))
        except Locked:
            raise
        except Exception as error:
            # A source of a package may do anything; that says nothing of the release.
            return f"{check.source}: {type(error).__name__}: {error}"
