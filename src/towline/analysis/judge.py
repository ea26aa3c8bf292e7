"""The judge: whether a new release's figures are statistically worse than the old one's. Pure.

After Kayenta's documented judge (NetflixACAJudge-v1.0; https://github.com/spinnaker/kayenta,
docs/canary-config.md and docs/judges.md): a two-sided Mann-Whitney U test decides whether there is
a difference, the Hodges-Lehmann estimate how large it is; each metric is classified, and the
weights of those that pass make a score with limits for pass and marginal.

What is other here, and why:

- Kayenta compares time series of a point a minute, so that a canary of 15 minutes has 15 values a
  side. Here single requests are compared: figures are sure in minutes.
- A minimum of observations a side: below it there is no answer.
- The tolerance is relative to the old release's figure, in place of fixed bounds: what is a large
  difference depends on what is usual. There is no absolute tolerance around 0.
- Of answers that are good or bad the difference of the shares is the effect: the median of
  differences of zeros and ones is 0 nearly always.

Sources: H. B. Mann, D. R. Whitney, Ann. Math. Statist. 18 (1947) 50-60; ties and continuity: E. L.
Lehmann, "Nonparametrics" (1975), 1.2 and 1.4; J. L. Hodges, E. L. Lehmann, Ann. Math. Statist. 34
(1963) 598-611.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

# Value -> how often it was observed.
Values = Mapping[float, int]

# Of each side, so many groups of equal size stand for all values in the estimate of the shift.
_GROUPS = 100


class Class(StrEnum):
    """What a metric of the new release is, compared with the old one's."""

    PASS = "pass"  # noqa: S105 - no password
    HIGH = "high"
    LOW = "low"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two samples differ.

    Attributes:
        kind: What that is called.
        p: The probability of a difference like this, or a larger one, when there is none.
        effect: How much larger the new release's values are; in their own unit.
        relative: The effect as a share of the old release's typical value; infinite from 0.
        new: Observations of the new release.
        old: Observations of the old one.
    """

    kind: Class
    p: float
    effect: float
    relative: float
    new: int
    old: int


def compare(
    new: Values, old: Values, *, level: float = 0.01, tolerance: float = 0.1, minimum: int = 50
) -> Comparison:
    """Classify a metric.

    Args:
        new: The new release's values.
        old: The old release's, of the same time.
        level: The probability of a false alarm: a difference counts whose `p` is below it.
        tolerance: Differences up to this share of the old value do not count.
        minimum: Observations that each side needs.
    """
    n_new, n_old = _count(new), _count(old)
    if min(n_new, n_old) < max(1, minimum):
        return Comparison(Class.NO_DATA, 1.0, 0.0, 0.0, n_new, n_old)
    p = mann_whitney(new, old)[1]
    if set(new) | set(old) <= {0.0, 1.0}:
        usual, now = _share(old), _share(new)
        effect = now - usual
    else:
        usual, effect = _median(old), hodges_lehmann(new, old)
    relative = effect / abs(usual) if usual else math.copysign(math.inf, effect) if effect else 0.0
    kind = Class.PASS
    if p < level and abs(relative) > tolerance:
        kind = Class.HIGH if effect > 0 else Class.LOW
    return Comparison(kind, p, effect, relative, n_new, n_old)


def mann_whitney(one: Values, other: Values) -> tuple[float, float]:
    """U of the first sample, and the two-sided probability of one as far from its mean.

    By the normal approximation, with the variance corrected for ties and a continuity correction
    of 0.5. Where all values are equal the probability is 1.
    """
    n, m = _count(one), _count(other)
    total = n + m
    ranks = ties = 0.0
    below = 0
    for value in sorted(set(one) | set(other)):
        here = one.get(value, 0)
        both = here + other.get(value, 0)
        ranks += here * (below + (both + 1) / 2)
        ties += both**3 - both
        below += both
    u = ranks - n * (n + 1) / 2
    if total < 2:
        return u, 1.0
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return u, 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return u, math.erfc(z / math.sqrt(2))


def hodges_lehmann(one: Values, other: Values) -> float:
    """How much larger the first sample's values are: the median of all differences of pairs.

    Of large samples, groups of equal size stand for their values.
    """
    left, right = _groups(one), _groups(other)
    differences = [(a - b, times_a * times_b) for a, times_a in left for b, times_b in right]
    return _weighted_median(differences)


def judge_score(
    classes: Iterable[tuple[bool, float]], passing: float, marginal: float
) -> tuple[float, str]:
    """The score of metrics by their weights, and what it means: `pass`, `marginal` or `fail`.

    Args:
        classes: Whether each metric passed, and its weight; without those that had no data.
        passing: From this score on (0 to 100) it is a pass.
        marginal: From this score on it is marginal.
    """
    given = list(classes)
    whole = sum(weight for _, weight in given)
    score = 100 * sum(weight for is_good, weight in given if is_good) / whole if whole else 100.0
    if score >= passing:
        return score, "pass"
    return score, "marginal" if score >= marginal else "fail"


def count_values(values: Sequence[float]) -> Counter[float]:
    """Single values as the judge takes them."""
    return Counter(map(float, values))


def _count(values: Values) -> int:
    return sum(values.values())


def _share(values: Values) -> float:
    return values.get(1.0, 0) / _count(values)


def _median(values: Values) -> float:
    return _weighted_median([*values.items()])


def _weighted_median(items: Sequence[tuple[float, float]]) -> float:
    """The middle value; the mean of both middle ones where the weights are even on both sides."""
    ordered = sorted(items)
    half = sum(weight for _, weight in ordered) / 2
    seen = 0.0
    for place, (value, weight) in enumerate(ordered):
        seen += weight
        if math.isclose(seen, half, rel_tol=1e-12) and place + 1 < len(ordered):
            return (value + ordered[place + 1][0]) / 2
        if seen > half:
            return value
    return ordered[-1][0]


def _groups(values: Values) -> list[tuple[float, float]]:
    """The values themselves, or so many groups of equal size: their means and sizes."""
    ordered = sorted((value, float(times)) for value, times in values.items() if times)
    if len(ordered) <= _GROUPS:
        return ordered
    size = _count(values) / _GROUPS
    found: list[tuple[float, float]] = []
    total = room = 0.0
    for value, times in ordered:
        left = times
        while left > 0:
            part = min(left, size - room)
            total, room, left = total + value * part, room + part, left - part
            if room >= size * (1 - 1e-9):
                found.append((total / room, room))
                total = room = 0.0
    return found
