import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.errors import UsageError
from towline.versions import version as versions

numbers = st.integers(0, 10**6)
words = st.one_of(
    st.integers(0, 10**6).map(str), st.from_regex(r"[0-9a-z-]*[a-z-][0-9a-z-]*", fullmatch=True)
)
dotted = st.lists(words, min_size=1, max_size=3).map(".".join)


@st.composite
def texts(draw):
    text = ".".join(str(draw(numbers)) for _ in range(3))
    if draw(st.booleans()):
        text += "-" + draw(dotted)
    return text + ("+" + draw(dotted) if draw(st.booleans()) else "")


@given(texts())
def test_what_is_parsed_prints_the_same(text):
    assert str(versions.parse(text)) == text
    assert str(versions.parse(f"v{text}")) == text


@given(texts(), st.sampled_from(versions.PARTS))
def test_a_bump_is_higher_and_has_no_build_metadata(text, part):
    before = versions.parse(text)
    after = versions.bump(before, part)
    assert after > before
    assert after.build is None
    assert bool(after.prerelease) == (part == "prerelease")


@given(texts(), st.sampled_from(["major", "minor", "patch"]))
def test_a_bump_of_a_final_version_raises_its_part_and_clears_the_rest(text, part):
    final = versions.parse(text).finalize_version()
    after = versions.bump(final, part)
    index = ["major", "minor", "patch"].index(part)
    assert after.to_tuple()[:index] == final.to_tuple()[:index]
    assert after.to_tuple()[index] == final.to_tuple()[index] + 1
    assert not any(after.to_tuple()[index + 1 : 3])


@given(texts(), st.sampled_from(versions.PARTS), st.sampled_from(versions.PARTS))
def test_a_larger_bump_is_never_lower(text, one, other):
    order = ["prerelease", "patch", "minor", "major"]
    small, large = sorted((one, other), key=order.index)
    before = versions.parse(text)
    assert versions.bump(before, small) <= versions.bump(before, large)


@given(texts(), texts())
def test_the_key_sorts_as_precedence_does(one, other):
    first, second = versions.parse(one), versions.parse(other)
    assert (versions.order_key(first) < versions.order_key(second)) == (first < second)


def test_the_order_of_the_standard():
    ordered = [
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
        *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1"),
    ]
    given = [versions.parse(text) for text in reversed(ordered)]
    assert [str(version) for version in sorted(given, key=versions.order_key)] == ordered


@pytest.mark.parametrize(
    "text",
    [
        *("1.2", "1", "", "1.2.3.4", "01.2.3", "1.2.03", "1.2.3-", "1.2.3-01", "1.2.3+"),
        *("1.2.٣", "1.2.3\n", " 1.2.3", "1.2.3-a..b", "latest", "-1.0.0", "vv1.2.3"),
        "1" * 5000 + ".0.0",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="is not a semantic version") as caught:
        versions.parse(text)
    assert caught.value.remedy == "write MAJOR.MINOR.PATCH, such as 1.2.0"
    assert len(caught.value.message) < 100


@pytest.mark.parametrize(
    ("text", "part", "expected"),
    [
        ("1.2.3", "major", "2.0.0"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "patch", "1.2.4"),
        ("1.2.3", "prerelease", "1.2.4-rc.1"),
        ("1.2.3-rc.1", "patch", "1.2.3"),
        ("1.2.3-rc.1", "minor", "1.3.0"),
        ("1.2.0-rc.1", "minor", "1.2.0"),
        ("1.2.0-rc.1", "major", "2.0.0"),
        ("2.0.0-rc.1", "major", "2.0.0"),
        ("1.2.3-rc.9", "prerelease", "1.2.3-rc.10"),
        ("1.2.3-alpha", "prerelease", "1.2.3-alpha.1"),
        ("1.2.3-1.beta", "prerelease", "1.2.3-2.beta"),
        ("1.2.3-rc1", "prerelease", "1.2.3-rc1.1"),
        ("1.2.3+b7", "patch", "1.2.4"),
    ],
)
def test_bumps(text, part, expected):
    assert str(versions.bump(versions.parse(text), part)) == expected


def test_an_unknown_part_is_refused():
    with pytest.raises(UsageError, match="'mayor' is not a part") as caught:
        versions.bump(versions.parse("1.0.0"), "mayor")
    assert "major, minor, patch, prerelease" in caught.value.remedy
