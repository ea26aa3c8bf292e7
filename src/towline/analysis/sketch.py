"""A mergeable sketch of a distribution, with quantiles of a known relative accuracy.

Source: C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", PVLDB 12 (2019), 2195-2205. A value falls into the bin whose bounds lie
a factor (1 + a) / (1 - a) apart; its middle is within a factor 1 ± a of each value in it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

ACCURACY = 0.01
"""A quantile is at most this far from the true one, relative to it."""
BINS = 1_024
"""Bins at most; the smallest values share one beyond that. 1,024 bins span a factor of 7.8e8, so
that latencies from a microsecond to ten minutes never share one."""

_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)
# What is smaller is counted as 0.
_SMALLEST = 1e-9


class Sketch:
    """How often values of each size were seen."""

    __slots__ = ("_bins", "_zeros", "count", "total")

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._bins: Counter[int] = Counter()
        self._zeros = 0
        self.count = 0
        self.total = 0.0
        for value in values:
            self.add(value)

    def add(self, value: float, times: int = 1) -> None:
        """Count a value, which is 0 or more."""
        self.count += times
        self.total += value * times
        if value <= _SMALLEST:
            self._zeros += times
            return
        self._bins[math.ceil(math.log(value) / _LOG_GAMMA)] += times
        if len(self._bins) > BINS:
            self._collapse()

    def merge(self, other: Sketch) -> None:
        """Count all that another one counted; the result is as if all had been added to one."""
        self.count += other.count
        self.total += other.total
        self._zeros += other._zeros
        self._bins.update(other._bins)
        self._collapse()

    def quantile(self, share: float) -> float | None:
        """The value that a share of all is not above; None when nothing was counted.

        Args:
            share: From 0 to 1.
        """
        if not self.count:
            return None
        rank, seen = share * (self.count - 1), 0
        for value, times in self.values():
            seen += times
            if seen > rank:
                return value
        raise AssertionError("a rank beyond the count")  # pragma: no cover

    def values(self) -> Iterator[tuple[float, int]]:
        """Each bin in ascending order: the value it stands for, and how often it was counted."""
        if self._zeros:
            yield 0.0, self._zeros
        for index in sorted(self._bins):
            yield 2 * math.exp(index * _LOG_GAMMA) / (_GAMMA + 1), self._bins[index]

    def _collapse(self) -> None:
        while len(self._bins) > BINS:
            lowest, second = sorted(self._bins)[:2]
            self._bins[second] += self._bins.pop(lowest)
