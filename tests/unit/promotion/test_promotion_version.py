"""Which version a promotion gives the deploy tree, with and without commits to go by."""

from pathlib import Path

import pytest
from project_files import git, write

from towline.config.loading import load
from towline.errors import UsageError
from towline.promotion import manifest as manifests
from towline.promotion.promotion import plan_promotion, promote
from towline.promotion.release_version import promotion_version


@pytest.mark.parametrize(
    ("last", "written", "changed", "wish", "expected"),
    [
        (None, None, True, {}, "0.1.0"),
        (None, "1.4.0", True, {}, "1.4.0"),
        (None, "1.4.0", True, {"bump": "minor"}, "1.5.0"),
        (None, "1.4.0", True, {"version": "v2.0.0"}, "2.0.0"),
        ("1.4.0", "1.4.0", False, {}, "1.4.0"),
        ("1.4.0", "1.4.0", True, {}, "1.4.1"),
        ("1.4.0", None, True, {}, "1.4.1"),
        ("1.4.0", "1.3.0", True, {}, "1.4.1"),
        ("1.4.0", "1.3.0", False, {}, "1.4.0"),
        ("1.4.0", "1.6.0", True, {}, "1.6.0"),
        ("1.4.0", "1.6.0", False, {}, "1.6.0"),
        ("1.4.0", "1.6.0", True, {"bump": "patch"}, "1.6.1"),
        ("1.4.0", "1.4.0", False, {"bump": "major"}, "2.0.0"),
        ("1.4.0", "1.4.0", False, {"version": "1.4.0"}, "1.4.0"),
        ("1.4.0-rc.1", "1.4.0-rc.1", True, {}, "1.4.0-rc.2"),
    ],
)
def test_outside_git_a_change_raises_the_patch(folder, last, written, changed, wish, expected):
    before = manifests.from_files({}, project="shop", version=last) if last else None
    decision = promotion_version(
        load(folder), None, before, written, changed=changed, uncommitted=True, **wish
    )
    assert decision.version == expected
    assert decision.why


@pytest.mark.parametrize(
    ("changed", "wish", "message"),
    [
        (True, {"version": "1.4.0"}, r"version 1\.4\.0 is not higher than 1\.4\.0"),
        (True, {"version": "1.3.9"}, r"version 1\.3\.9 is not higher than 1\.4\.0"),
        (False, {"version": "1.3.9"}, r"version 1\.3\.9 is not higher than 1\.4\.0"),
        (True, {"version": "1.4.0+other"}, r"is not higher than 1\.4\.0"),
        (True, {"version": "1.5.0", "bump": "minor"}, "were both asked for"),
        (True, {"version": "next"}, "'next' is not a semantic version"),
        (True, {"bump": "tiny"}, "'tiny' is not a part"),
    ],
)
def test_a_version_that_cannot_be(folder, changed, wish, message):
    last = manifests.from_files({}, project="shop", version="1.4.0")
    with pytest.raises(UsageError, match=message) as caught:
        promotion_version(
            load(folder), None, last, "1.4.0", changed=changed, uncommitted=True, **wish
        )
    assert caught.value.remedy


@pytest.fixture
def root(folder: Path) -> Path:
    """A project that was promoted as 1.0.0."""
    git(folder, "init", "-q", "-b", "main", "--template=")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "feat: start")
    project = load(folder)
    promote(project, plan_promotion(project))
    return folder


def commit(root: Path, message: str, **files: str) -> None:
    write(root, files)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


def change(root: Path, message: str, text: str = "print('two')\n") -> None:
    commit(root, message, **{"app/src/shop/main.py": text})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("feat: two", "1.1.0"),
        ("fix: two", "1.0.1"),
        ("refactor!: two", "2.0.0"),
        ("perf: two\n\nBREAKING CHANGE: slow things break", "2.0.0"),
    ],
)
def test_the_commits_since_the_last_promotion_decide(root, message, expected):
    change(root, "docs: before")
    change(root, message, "print('three')\n")
    assert plan_promotion(load(root)).version == expected


def test_the_promotion_itself_and_other_folders_do_not_count(root):
    change(root, "feat: two")
    project = load(root)
    promote(project, plan_promotion(project))
    commit(root, "feat: elsewhere", **{"elsewhere/a": ""})
    assert plan_promotion(load(root)).nothing_to_do
    change(root, "fix: three", "print('three')\n")
    assert plan_promotion(load(root)).version == "1.1.1"


@pytest.mark.parametrize("message", ["refactor: two", "two"])
def test_no_releasable_commit_makes_no_version_and_is_said(root, message):
    change(root, message)
    plan = plan_promotion(load(root))
    assert plan.nothing_to_do
    assert plan.is_held_back
    assert plan.lines() == [
        "no new version after shop 1.0.0: none of 1 change releases",
        "next: `inv promote --bump patch` promotes all the same; see versions.types",
    ]
    assert plan_promotion(load(root), bump="patch").version == "1.0.1"
    with (root / "towline.yaml").open("a") as file:
        file.write("versions: {other: patch, types: {refactor: patch}}\n")
    assert plan_promotion(load(root)).version == "1.0.1"


def test_changes_of_peoples_own_files_in_the_deploy_tree_count_too(root):
    commit(root, "fix: limit memory", **{"deploy/docker/compose.yml": "services: {a: {}}\n"})
    assert plan_promotion(load(root)).version == "1.0.1"


def test_uncommitted_changes_raise_the_patch(root):
    write(root, {"deploy/docker/compose.yml": "services: {a: {}}\n"})
    assert plan_promotion(load(root)).version == "1.0.1"
    git(root, "checkout", "-q", "--", ".")
    write(root, {"app/src/shop/main.py": "print('two')\n"})
    assert plan_promotion(load(root), allow_dirty=True).version == "1.0.1"


def test_a_reverted_feature_changes_nothing(root):
    change(root, "feat: two")
    git(root, "revert", "--no-edit", "HEAD")
    plan = plan_promotion(load(root))
    assert plan.nothing_to_do
    assert not plan.is_held_back


def test_a_rewritten_history_tells_nothing(root):
    git(root, "checkout", "-q", "--orphan", "fresh")
    git(root, "commit", "-q", "-m", "feat: all anew")
    change(root, "feat: two")
    assert plan_promotion(load(root)).version == "1.0.1"
