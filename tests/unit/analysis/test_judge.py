"""The judge against exact enumeration, published figures, and 1,000 seeded releases."""

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towline.analysis.judge import (
    Class,
    compare,
    count_values,
    hodges_lehmann,
    judge_score,
    mann_whitney,
)

numbers = st.lists(st.integers(0, 40).map(float), min_size=1, max_size=30)


def p_of(one, other):
    return mann_whitney(count_values(one), count_values(other))[1]


def exact_p(one, other):
    """By the distribution of U over all ways to deal the values out; two-sided."""

    def u_of(mine, theirs):
        return sum((a > b) + (a == b) / 2 for a in mine for b in theirs)

    middle = len(one) * len(other) / 2
    seen = abs(u_of(one, other) - middle)
    every = [
        abs(u_of(mine, theirs) - middle) >= seen - 1e-9
        for mine, theirs in deals([*one, *other], len(one))
    ]
    return sum(every) / len(every)


def deals(pool, count):
    """All ways to deal values out to two samples, of which the first has so many."""
    for chosen in itertools.combinations(range(len(pool)), count):
        mine = [pool[place] for place in chosen]
        yield mine, [pool[place] for place in range(len(pool)) if place not in chosen]


def test_u_and_p_are_those_of_published_samples():
    # Siegel & Castellan's trained and untrained rats: U counts pairs, here 3 + 2 + 3 + 0 + 3.
    trained, control = [78, 64, 75, 45, 82], [110, 70, 53, 51]
    assert mann_whitney(count_values(trained), count_values(control))[0] == 11.0
    # Hollander & Wolfe's depression data (R's help page of wilcox.test), as two samples.
    x = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    y = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    u, p = mann_whitney(count_values(x), count_values(y))
    assert u == 58.0
    assert p == pytest.approx(0.1329, abs=2e-4)


@pytest.mark.parametrize("seed", range(8))
def test_mean_and_variance_with_ties_are_those_of_all_ways_to_deal_the_values(seed):
    source = random.Random(seed)
    one, other = ([source.randint(0, 5) for _ in range(6)] for _ in range(2))
    seen = [
        sum((a > b) + (a == b) / 2 for a in mine for b in theirs)
        for mine, theirs in deals([*one, *other], 6)
    ]
    mean = sum(seen) / len(seen)
    variance = sum((u - mean) ** 2 for u in seen) / len(seen)
    u, p = mann_whitney(count_values(one), count_values(other))
    z = max(0.0, abs(u - mean) - 0.5) / math.sqrt(variance)
    assert p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_the_approximation_is_near_the_exact_distribution(seed):
    source = random.Random(seed)
    one = [source.randint(0, 12) for _ in range(7)]
    other = [source.randint(0, 12) + (seed % 3) * 3 for _ in range(7)]
    assert p_of(one, other) == pytest.approx(exact_p(one, other), abs=0.03)


@given(numbers, numbers)
def test_two_sides_are_the_same_for_either_sample(one, other):
    assert p_of(one, other) == pytest.approx(p_of(other, one))
    shift = hodges_lehmann(count_values(one), count_values(other))
    assert hodges_lehmann(count_values(other), count_values(one)) == pytest.approx(-shift)


@given(numbers, numbers, st.integers(1, 50), st.integers(1, 20))
def test_units_and_origins_do_not_matter(one, other, shift, scale):
    def moved(values):
        return [scale * value + shift for value in values]

    assert p_of(moved(one), moved(other)) == pytest.approx(p_of(one, other))
    before = hodges_lehmann(count_values(one), count_values(other))
    after = hodges_lehmann(count_values(moved(one)), count_values(moved(other)))
    assert after == pytest.approx(scale * before)


@given(numbers, st.integers(-30, 30))
def test_a_shift_is_estimated_as_what_it_is(values, shift):
    moved = [value + shift for value in values]
    found = hodges_lehmann(count_values(moved), count_values(values))
    assert found == pytest.approx(shift)


# Zeros and ones are answers that were good or bad, and have no scale.
@settings(max_examples=30)
@given(*[st.lists(st.integers(2, 40).map(float), min_size=5, max_size=30)] * 2)
def test_scale_leaves_a_class_as_it_is(one, other):
    new, old = count_values(one), count_values(other)
    big = {k: count_values([1000 * value for value in s]) for k, s in (("n", one), ("o", other))}
    assert compare(new, old, minimum=5).kind == compare(big["n"], big["o"], minimum=5).kind


def test_equal_samples_and_too_small_ones():
    same = count_values([1.0] * 60)
    assert compare(same, same).kind is Class.PASS
    assert compare(same, same).p == 1.0
    assert compare(count_values([1.0] * 49), same).kind is Class.NO_DATA
    assert compare({}, {}, minimum=0).kind is Class.NO_DATA


def test_a_difference_that_is_certain_and_small_does_not_count():
    old = count_values([100 + n / 10 for n in range(1000)])
    new = count_values([105 + n / 10 for n in range(1000)])
    found = compare(new, old)
    assert found.p < 0.001
    assert found.relative == pytest.approx(5 / 150, rel=0.05)
    assert found.kind is Class.PASS
    assert compare(new, old, tolerance=0.01).kind is Class.HIGH
    assert compare(old, new, tolerance=0.01).kind is Class.LOW


def test_errors_after_none_are_infinitely_more():
    found = compare({0.0: 80, 1.0: 20}, {0.0: 100})
    assert (found.kind, found.relative) == (Class.HIGH, math.inf)


def latencies(source, count, factor=1.0):
    """As latencies are: 100 ms typically, with a long tail, by microseconds."""
    return count_values(
        [round(0.1 * factor * math.exp(source.gauss(0, 0.5)), 6) for _ in range(count)]
    )


def answers(source, count, share):
    bad = sum(source.random() < share for _ in range(count))
    return {0.0: count - bad, 1.0: bad}


def detected(make, count, runs, seed=1):
    """The share of releases that are classified as worse."""
    source = random.Random(seed)
    return sum(
        compare(*make(source, count), level=0.01, minimum=50).kind is Class.HIGH
        for _ in range(runs)
    ) / runs  # fmt: skip


def test_a_thousand_releases_without_a_difference_raise_no_more_alarms_than_stated():
    def same(source, count):
        return latencies(source, count), latencies(source, count)

    def same_errors(source, count):
        return answers(source, count, 0.01), answers(source, count, 0.01)

    for make in (same, same_errors):
        source, alarms, differences = random.Random(7), 0, 0
        for _ in range(1_000):
            found = compare(*make(source, 60), level=0.01, minimum=50)
            alarms += found.kind is not Class.PASS
            differences += found.p < 0.01
        assert alarms <= 10
        # Without any tolerance: three standard deviations above the level.
        assert differences <= 20


def test_twenty_percent_slower_and_six_times_the_errors_are_found():
    def slower(source, count):
        return latencies(source, count, 1.2), latencies(source, count)

    def faulty(source, count):
        return answers(source, count, 0.06), answers(source, count, 0.01)

    assert detected(slower, 300, 200) >= 0.95
    assert detected(faulty, 500, 200) >= 0.95


def test_the_score_is_the_weight_of_what_passed():
    assert judge_score([(True, 1), (True, 3)], 95, 75) == (100.0, "pass")
    assert judge_score([(False, 1), (True, 3)], 95, 75) == (75.0, "marginal")
    assert judge_score([(False, 3), (True, 1)], 95, 75) == (25.0, "fail")
    assert judge_score([], 95, 75) == (100.0, "pass")
