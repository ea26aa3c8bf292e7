"""Checks: a figure, what is demanded of it, and what that comes to. Pure but for `resolve`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from towline.analysis.judge import Class, compare
from towline.analysis.sources.base import Sample, SourceKind, find_sources
from towline.config.analysis_section import Analysis, Check
from towline.config.conditions import NoWorse, Threshold
from towline.config.mistakes import did_you_mean
from towline.config.units import format_duration
from towline.errors import UsageError

# Metrics of the router are of requests, of which the section says how many are enough.
_OF_REQUESTS = "router"


class Answer(StrEnum):
    """What one question came to."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    # The source could not be asked.
    ERROR = "error"
    # There are figures, and they do not tell.
    INCONCLUSIVE = "inconclusive"
    # There are too few observations yet.
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True)
class ResolvedCheck:
    """A check whose source and metric are known to exist.

    Attributes:
        unit: The unit of its figure; empty where its source does not say.
        minimum: Observations that it needs of each slot that it asks about.
        level: Of `no worse than old`: the probability of a false alarm.
    """

    name: str
    source: str
    metric: str
    unit: str
    minimum: int
    level: float
    settings: Check


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What a check answered.

    Attributes:
        value: The figure of the slot that is judged.
        old: That of the old release, where it was compared.
        count: Observations that `value` rests on.
        text: All of it in a few words.
    """

    name: str
    answer: Answer
    value: float | None
    old: float | None
    count: int
    text: str


def resolve(section: Analysis) -> list[ResolvedCheck]:
    """The checks of an environment, each with its source.

    Raises:
        UsageError: When no source has a metric, or the unit of a condition is not the metric's.
    """
    kinds = find_sources()
    return [_resolve(name, item, section, kinds) for name, item in section.checks.items()]


def _resolve(
    name: str, check: Check, section: Analysis, kinds: Mapping[str, SourceKind]
) -> ResolvedCheck:
    where = f"`analysis.checks.{name}`"
    metric = check.metric or name
    source = check.origin or next((of for of, kind in kinds.items() if metric in kind.metrics), "")
    if not source:
        known = sorted({name for kind in kinds.values() for name in kind.metrics})
        raise UsageError(
            f"{where}: no source has a metric {metric!r}{did_you_mean(metric, known)}",
            remedy=f"metrics: {', '.join(known)}; or write a `query` or a `command`",
        )
    metrics = kinds[source].metrics
    if source == "logs":
        metric = "log_matches"
    elif metrics and metric not in metrics:
        raise UsageError(
            f"{where}: source {source} has no metric {metric!r}{did_you_mean(metric, [*metrics])}",
            remedy=f"metrics of {source}: {', '.join(metrics)}",
        )
    unit, demanded = metrics.get(metric, ""), check.demanded
    if isinstance(demanded, Threshold) and not demanded.is_relative:
        if metrics and demanded.unit != unit:
            raise UsageError(f"{where}: {check.condition!r} is not in {_named(unit)}",
                             remedy=f"write a limit such as {_example(unit)}")  # fmt: skip
        unit = unit or demanded.unit
    minimum = check.minimum or (section.minimum if source == _OF_REQUESTS else 1)
    return ResolvedCheck(name, source, metric, unit, minimum, 1 - section.confidence, check)


def _named(unit: str) -> str:
    return {"s": "seconds", "%": "%", "/s": "numbers a second", "/min": "numbers a minute"}.get(
        unit, "plain numbers"
    )


def _example(unit: str) -> str:
    return {"s": "`< 1000ms`", "%": "`< 5%`"}.get(unit, f"`< 10{unit}`")


def evaluate(check: ResolvedCheck, new: Sample, old: Sample | None) -> CheckAnswer:
    """What a check comes to.

    Args:
        check: The check.
        new: The figure of the slot that is judged.
        old: That of the old release at the same time, where the check compares.
    """
    short = _too_few(check, new, old)
    if short:
        return _answer(check, Answer.NO_DATA, new, old, short)
    demanded = check.settings.demanded
    if isinstance(demanded, NoWorse):
        return _judge(check, demanded, new, old or Sample(None, 0))
    value = new.value if new.value is not None else 0.0
    if not demanded.is_relative:
        answer = Answer.PASS if demanded.allows(value) else Answer.FAIL
        return _answer(check, answer, new, old)
    before = (old.value if old else None) or 0.0
    if before:
        answer = Answer.PASS if demanded.allows(value, before) else Answer.FAIL
    else:
        # Of nothing, no factor makes a limit.
        answer = Answer.INCONCLUSIVE if value else Answer.PASS
    return _answer(check, answer, new, old)


def could_not_ask(check: ResolvedCheck, why: str) -> CheckAnswer:
    """What a check comes to whose source could not be asked."""
    return CheckAnswer(check.name, Answer.ERROR, None, None, 0, f"{check.name}: {why}")


def _too_few(check: ResolvedCheck, new: Sample, old: Sample | None) -> str:
    if new.value is None or new.count < check.minimum:
        return f"{new.count} of {check.minimum} observations"
    if old is not None and (old.value is None or old.count < check.minimum):
        return f"{old.count} of {check.minimum} observations of the old release"
    return ""


def _judge(check: ResolvedCheck, demanded: NoWorse, new: Sample, old: Sample) -> CheckAnswer:
    if not new.values or not old.values:
        return _answer(
            check, Answer.INCONCLUSIVE, new, old,
            f"source {check.source} gives no distribution to compare",
        )  # fmt: skip
    found = compare(
        new.values, old.values, level=check.level, tolerance=demanded.tolerance,
        minimum=check.minimum,
    )  # fmt: skip
    if found.kind is Class.NO_DATA:
        return _answer(check, Answer.NO_DATA, new, old, f"{min(found.new, found.old)} observations")
    answer = Answer.FAIL if found.kind is Class.HIGH else Answer.PASS
    certain = f"p = {found.p:.2g}"
    if abs(found.relative) != float("inf"):
        certain = f"{found.relative:+.0%}, {certain}"
    return _answer(check, answer, new, old, certain)


def _answer(
    check: ResolvedCheck, answer: Answer, new: Sample, old: Sample | None, extra: str = ""
) -> CheckAnswer:
    said = f"{check.name} {format_figure(new.value, check.unit)}"
    if old is not None:
        said += f", old {format_figure(old.value, check.unit)}"
    notes = [f"wanted {check.settings.condition}", extra, new.note]
    if new.count > 1:
        notes.insert(0, f"of {new.count:,}")
    text = f"{said} ({'; '.join(filter(None, notes))})"
    return CheckAnswer(check.name, answer, new.value, old.value if old else None, new.count, text)


def format_figure(value: float | None, unit: str) -> str:
    """A figure for people: `1.2 %`, `340 ms`, `12/s`; `-` for none."""
    if value is None:
        return "-"
    if unit == "s":
        return f"{value * 1000:.0f} ms" if value < 10 else format_duration(value)
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2g}"
    return f"{number} %" if unit == "%" else f"{number}{unit}"
