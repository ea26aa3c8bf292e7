import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.analysis.sketch import ACCURACY, BINS, Sketch

values = st.lists(st.floats(1e-6, 600.0), min_size=1, max_size=200)


@given(values, st.floats(0, 1))
def test_a_quantile_is_as_near_as_promised(given_values, share):
    true = sorted(given_values)[int(share * (len(given_values) - 1))]
    found = Sketch(given_values).quantile(share)
    assert found == pytest.approx(true, rel=ACCURACY * 1.001)


@given(values, values)
def test_merged_sketches_are_as_one(some, others):
    merged = Sketch(some)
    merged.merge(Sketch(others))
    one = Sketch([*some, *others])
    assert list(merged.values()) == list(one.values())
    assert merged.count == one.count
    assert merged.total == pytest.approx(one.total)


def test_nothing_has_no_quantile():
    assert Sketch().quantile(0.5) is None
    assert Sketch([0.0, 0.0]).quantile(1) == 0.0


def test_memory_is_bounded_and_the_largest_values_stay_exact():
    sketch = Sketch()
    for exponent in range(-8, 9):
        for _ in range(200):
            sketch.add(10.0**exponent * (1 + 9 * random.Random(exponent).random()))
            sketch.add(10.0**exponent * (1 + _ / 25))
    assert len(list(sketch.values())) <= BINS + 1
    assert sketch.quantile(0.99) > 1e8
