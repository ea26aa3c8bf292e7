"""All tests run as one: pytest knows a test module by its name alone, whatever folder it is in."""

from collections import Counter
from pathlib import Path


def test_no_two_test_modules_have_one_name():
    tests = Path(__file__).resolve().parents[1]
    names = [path.name for path in tests.rglob("test_*.py") if "apps" not in path.parts]
    assert [name for name, count in Counter(names).items() if count > 1] == []
