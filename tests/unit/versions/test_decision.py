"""Decisions without a repository: the rules as tables and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.release_sections import Versions
from towline.errors import UsageError
from towline.git.changes import changes
from towline.git.log import Commit
from towline.versions.decision import DecisionInputs, decide
from towline.versions.rules import Rules
from towline.versions.version import parse

_COUNT = iter(range(10**9))


def commit(message, *, sha="", parents=("p",)):
    return Commit(sha or f"{next(_COUNT):040x}", parents, (), "2026-11-21", "Ann", message)


def inputs(released, messages, *, settings=None, **rest):
    told = changes([commit(message) for message in messages])
    versions = [parse(item) for item in released.split()]
    rules = Rules.of(Versions(**(settings or {})))
    return DecisionInputs(rules, versions, told, told, **rest)


@pytest.mark.parametrize(
    ("last", "messages", "expected"),
    [
        ("1.2.3", ["fix: a"], "1.2.4"),
        ("1.2.3", ["perf: a"], "1.2.4"),
        ("1.2.3", ["revert: a"], "1.2.4"),
        ("1.2.3", ["feat: a", "fix: b"], "1.3.0"),
        ("1.2.3", ["fix!: a", "feat: b"], "2.0.0"),
        ("1.2.3", ["docs!: a"], "2.0.0"),
        ("1.2.3", ["chore: a\n\nBREAKING CHANGE: b"], "2.0.0"),
        ("1.2.3", ["docs: a", "chore: b", "refactor: c", "test: d", "ci: e"], "1.2.3"),
        ("1.2.3", ["no convention"], "1.2.3"),
        ("1.2.3", [], "1.2.3"),
        ("0.2.3", ["feat!: a"], "1.0.0"),
        ("1.2.0 1.10.0 1.9.0", ["fix: a"], "1.10.1"),
        ("1.2.3+build.5", ["fix: a"], "1.2.4"),
        ("1.2.3 1.3.0-rc.1", ["fix: a"], "1.3.0-rc.2"),
    ],
)  # fmt: skip
def test_the_default_rules_are_those_of_semantic_release(last, messages, expected):
    decision = decide(inputs(last, messages))
    assert decision.version == expected
    assert decision.is_new == (expected != decision.previous)


@pytest.mark.parametrize(
    ("settings", "last", "message", "expected"),
    [
        ({"pre_1_0": {"major": "minor"}}, "0.2.3", "feat!: a", "0.3.0"),
        ({"pre_1_0": {"major": "minor", "minor": "patch"}}, "0.2.3", "feat: a", "0.2.4"),
        ({"pre_1_0": {"major": "minor"}}, "1.2.3", "feat!: a", "2.0.0"),
        ({"pre_1_0": {"minor": "none"}}, "0.2.3", "feat: a", "0.2.3"),
        ({"other": "patch"}, "1.2.3", "anything", "1.2.4"),
        ({"types": {"docs": "patch"}}, "1.2.3", "docs: a", "1.2.4"),
        ({"types": {"Deps": "minor"}}, "1.2.3", "deps: a", "1.3.0"),
        ({"types": {"feat": "none"}}, "1.2.3", "feat: a", "1.2.3"),
        ({"types": {"feat": "none"}}, "1.2.3", "feat!: a", "2.0.0"),
        ({"breaking": "minor"}, "1.2.3", "fix!: a", "1.3.0"),
    ],
)
def test_the_rules_can_be_set(settings, last, message, expected):
    assert decide(inputs(last, [message], settings=settings)).version == expected


@pytest.mark.parametrize(
    ("released", "label", "messages", "expected"),
    [
        ("1.2.3", "rc", ["feat: a"], "1.3.0-rc.1"),
        ("1.2.3 1.3.0-rc.1", "rc", ["fix: b"], "1.3.0-rc.2"),
        ("1.2.3 1.3.0-rc.9 1.3.0-rc.10", "rc", ["fix: b"], "1.3.0-rc.11"),
        ("1.2.3 1.3.0-beta.4", "rc", ["fix: b"], "1.3.0-rc.1"),
        ("1.2.3 1.3.0-rc.2", "", ["feat: a"], "1.3.0"),
        ("1.2.3 1.3.0-rc.2", "", ["feat!: a"], "2.0.0"),
        ("1.2.3 2.0.0-rc.1", "", ["fix: a"], "2.0.0"),
        ("1.2.3", "beta", ["docs: a"], "1.2.3"),
        ("0.1.0-rc.1", "rc", ["fix: a"], "0.1.0-rc.2"),
        ("0.1.0-rc.1", "", ["fix: a"], "0.1.0"),
    ],
)
def test_channels(released, label, messages, expected):
    assert decide(inputs(released, messages, label=label)).version == expected


def test_a_feature_after_the_candidate_of_a_fix_starts_a_new_line():
    told = changes([commit("feat: b"), commit("fix: a")])
    found = decide(
        DecisionInputs(Rules(), [parse("1.2.3"), parse("1.2.4-rc.1")], told, told[:1], label="rc")
    )
    assert found.version == "1.3.0-rc.1"


def test_a_channel_that_would_go_back_is_refused():
    with pytest.raises(UsageError, match=r"1.3.0-beta.1, which is not higher than 1.3.0-rc.1"):
        decide(inputs("1.2.3 1.3.0-rc.1", ["feat: a"], label="beta"))


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ({"written": parse("1.0.0")}, "1.0.0"),
        ({"first": "0.5.0"}, "0.5.0"),
        ({"first": "0.5.0", "written": parse("0.1.0")}, "0.1.0"),
        ({"first": "1.0.0", "label": "rc"}, "1.0.0-rc.1"),
        ({"written": parse("1.0.0-alpha.1")}, "1.0.0-alpha.1"),
    ],
)
def test_the_first_version(rest, expected):
    decision = decide(inputs("", ["feat: a"], **rest))
    assert (decision.version, decision.previous, decision.is_new) == (expected, "", True)


def test_nothing_to_start_from():
    with pytest.raises(UsageError, match="no version to start from") as caught:
        decide(inputs("", ["feat: a"]))
    assert "git tag" in caught.value.remedy


def test_what_people_wrote_wins_when_it_is_higher():
    assert decide(inputs("1.2.3", ["fix: a"], written=parse("1.5.0"))).version == "1.5.0"
    assert decide(inputs("1.2.3", [], written=parse("1.5.0"))).version == "1.5.0"
    assert decide(inputs("1.2.3", ["feat!: a"], written=parse("1.5.0"))).version == "2.0.0"
    assert decide(inputs("1.2.3", ["fix: a"], written=parse("0.0.0"))).version == "1.2.4"


def test_asking_for_a_version():
    assert decide(inputs("1.2.3", []), version="1.4.0").version == "1.4.0"
    assert decide(inputs("1.2.3", []), bump="major").version == "2.0.0"
    assert decide(inputs("1.2.3", [], label="beta"), bump="prerelease").version == "1.2.4-beta.1"
    for asked in ({"version": "1.2.3"}, {"version": "1.2.3-rc.1"}, {"version": "1.2.3+b"}):
        with pytest.raises(UsageError, match=r"not higher than 1\.2\.3"):
            decide(inputs("1.2.3", []), **asked)
    with pytest.raises(UsageError, match="both asked for"):
        decide(inputs("1.2.3", []), version="1.4.0", bump="major")
    with pytest.raises(UsageError, match="'huge' is not a part") as caught:
        decide(inputs("1.2.3", []), bump="huge")
    assert caught.value.remedy == "choose from: major, minor, patch, prerelease"


def test_why():
    decision = decide(inputs("1.2.3", ["feat: b", "fix: a", "feat: c", "odd"]))
    assert decision.why == "2 changes bump the minor part"
    assert [item.title for item in decision.reasons] == ["feat: b", "feat: c"]
    assert [item.title for item in decision.unconventional] == ["odd"]
    assert decide(inputs("1.2.3", ["odd", "docs: a"])).why == "none of 2 changes releases"
    assert decide(inputs("1.2.3", [])).why == "no commit since then"


def test_reverts_within_a_range_cancel():
    feature = commit("feat: a")
    revert = commit(f'Revert "feat: a"\n\nThis reverts commit {feature.sha}.')
    again = commit(f'Reapply "feat: a"\n\nThis reverts commit {revert.sha}.')
    assert changes([revert, feature]) == []
    assert [item.title for item in changes([again, revert, feature])] == ["feat: a"]
    older = commit(f'Revert "feat(x): old"\n\nThis reverts commit {"ab" * 20}.')
    assert [item.title for item in changes([older])] == ["revert(x): old"]


def test_reverts_by_footer_and_by_subject():
    one, two, three = commit("feat: a"), commit("fix: b"), commit("feat: c")
    revert = commit(f"revert: both\n\nRefs: {one.sha[:40]}, {two.sha[:40]}")
    assert changes([revert, three, two, one]) == changes([three])
    partly = commit(f"revert: both\n\nRefs: {one.sha}, {'cd' * 20}")
    assert [item.title for item in changes([partly, one])] == ["revert: both"]
    by_subject = commit("revert: feat: c")
    assert changes([by_subject, three]) == []
    assert [item.title for item in changes([three, by_subject])] == ["feat: c", "revert: feat: c"]


def titles(*commits):
    return [item.title for item in changes(commits)]


def test_reverts_as_hosts_write_them():
    fix = commit("fix: x (#1)")
    by_sha = commit(f'Revert "fix: x (#1)" (#2)\n\nThis reverts commit {fix.sha}.')
    assert titles(by_sha, fix) == []
    again = commit(f'Revert "Revert "fix: x (#1)" (#2)" (#3)\n\nThis reverts commit {by_sha.sha}.')
    assert titles(again, by_sha, fix) == ["fix: x (#1)"]
    by_number = commit('Revert "fix: x" (#2)\n\nReverts acme/shop#1')
    assert titles(by_number, fix) == []
    assert titles(commit('Revert "fix: x" (#2)'), fix) == []
    assert titles(commit("revert: fix: x (#1) (#2)"), fix) == []
    older = commit(f'Revert "fix(y): old (#1)" (#2)\n\nThis reverts commit {"ab" * 20}.')
    assert titles(older, commit("feat: a")) == ["revert(y): old (#1)", "feat: a"]
    merge = commit("Merge pull request #7 from acme/a", sha="c" * 40, parents=("b" * 40, "a" * 40))
    inside = commit("feat: a", sha="a" * 40, parents=("b" * 40,))
    assert titles(commit('Revert "Work" (#8)\n\nReverts acme/shop#7'), merge, inside) == []


@pytest.mark.parametrize(
    ("bullets", "left"),
    [
        (["feat: a", "fix: b", 'Revert "feat: a"\n\nThis reverts commit 0123456789.'], ["fix: b"]),
        (["feat: a", "fix: b", "revert: feat: a"], ["fix: b"]),
        (["feat: a", 'Revert "feat: a"', 'Reapply "feat: a"', "fix: b"], ["feat: a", "fix: b"]),
        (["feat: a", 'Revert "feat: a"'], []),
        (['Revert "feat: released"', "fix: b"], ["revert: released", "fix: b"]),
        # What comes after the revert is not what it takes back.
        (['Revert "feat: a"', "feat: a"], ["revert: a", "feat: a"]),
    ],
)
def test_reverts_in_the_list_of_a_squash_commit(bullets, left):
    listed = "\n\n".join(f"* {text}" for text in bullets)
    assert titles(commit(f"Work (#4)\n\n{listed}")) == left
    by_git = "\n\n".join(
        "commit {:040x}\nAuthor: Ann\n\n    {}".format(place, text.replace("\n", "\n    "))
        for place, text in enumerate(reversed(bullets))
    )
    assert sorted(titles(commit(f"Squashed commit of the following:\n\n{by_git}"))) == sorted(left)


def test_the_reason_in_a_flow_of_prereleases_is_the_real_one():
    told = changes([commit("fix: b"), commit("feat: a")])
    flow = DecisionInputs(
        Rules(), [parse("1.2.0"), parse("1.3.0-beta.1")], told, told[:1], label="beta"
    )
    decision = decide(flow)
    assert decision.version == "1.3.0-beta.2"
    assert decision.why == (
        "1 change bumps the patch part; with all changes since 1.2.0 it is minor"
    )
    below = Rules.of(Versions(pre_1_0={"minor": "patch"}))
    flow = DecisionInputs(
        below, [parse("0.2.0"), parse("0.2.1-beta.1")], told, told[:1], label="beta"
    )
    assert decide(flow).why == (
        "1 change bumps the patch part; with all changes since 0.2.0 it is minor; "
        "below 1.0.0 that is patch"
    )


def test_a_reverted_merge_takes_its_branch_with_it():
    base = commit("chore: base", sha="0" * 40)
    inside = commit("feat: a", sha="1" * 40, parents=(base.sha,))
    merge = commit("Merge branch 'a'", sha="2" * 40, parents=(base.sha, inside.sha))
    said = f"This reverts commit {merge.sha}, reversing\nchanges made to {base.sha}."
    revert = commit(f"Revert \"Merge branch 'a'\"\n\n{said}")
    assert [item.title for item in changes([revert, merge, inside, base])] == ["chore: base"]


def test_merges_say_nothing_unless_they_speak():
    parents = ("a", "b")
    silent = ["Merge branch 'x' into main", "Merge pull request #4 from a/b\n\nfeat: in the body",
              "Merge remote-tracking branch 'origin/main'", "Merge tag 'v1.0.0'"]  # fmt: skip
    assert changes([commit(text, parents=parents) for text in silent]) == []
    assert [item.title for item in changes([commit("feat: all of x", parents=parents)])] == [
        "feat: all of x"
    ]
    assert [item.title for item in changes([commit("Merge the two worlds", parents=parents)])] == [
        "Merge the two worlds"
    ]


def test_a_squash_commit_speaks_by_its_title_or_by_its_list():
    body = "\n\n* feat: a\n\n* fix: b"
    titled, plain = commit(f"fix: c (#4){body}"), commit(f"Work (#4){body}")
    assert [item.title for item in changes([titled])] == ["fix: c (#4)"]
    assert [item.title for item in changes([plain])] == ["feat: a", "fix: b"]
    assert [item.title for item in changes([plain], squash=False)] == ["Work (#4)"]


messages = st.lists(
    st.sampled_from(
        ["feat: a", "fix: b", "docs: c", "feat!: d", "free", "chore: e\n\nBREAKING CHANGE: f"]
    ),
    max_size=6,
)
numbers = st.integers(0, 20)
versions = st.builds(lambda a, b, c: f"{a}.{b}.{c}", numbers, numbers, numbers)


@given(st.lists(versions, min_size=1, max_size=5), messages, st.sampled_from(["", "rc", None]))
def test_a_new_version_is_higher_than_all_before(released, told, label):
    decision = decide(inputs(" ".join(released), told, label=label))
    last = max(map(parse, released))
    assert decision.previous == str(last)
    if decision.is_new:
        assert parse(decision.version) > last
        assert decision.reasons
        assert bool(parse(decision.version).prerelease) == (label == "rc")
    else:
        assert decision.version == str(last)


@given(versions, messages, messages)
def test_more_changes_never_make_a_lower_version(last, some, more):
    few = parse(decide(inputs(last, some)).version)
    many = parse(decide(inputs(last, some + more)).version)
    assert few <= many


@given(versions, st.permutations(["feat: a", "fix: b", "docs!: c", "free"]))
def test_the_order_of_the_changes_does_not_matter(last, told):
    assert decide(inputs(last, told)).version == decide(inputs(last, sorted(told))).version
