"""Hotfixes in the deploy tree: found, shown, backported by Git, or discarded and recorded."""

from pathlib import Path

import pytest
from project_files import git, write

from towline.config.loading import load
from towline.errors import CheckFailed, UsageError
from towline.promotion import drift
from towline.promotion import manifest as manifests
from towline.promotion.backport import backport
from towline.promotion.promotion import plan_promotion, promote

LINES = "".join(f"line {number}\n" for number in range(1, 21))
HOTFIX = LINES.replace("line 18\n", "line 18, hotfixed\n")


@pytest.fixture
def root(folder: Path) -> Path:
    """A project that was promoted as 1.0.0, with a file of twenty lines."""
    git(folder, "init", "-q", "-b", "main", "--template=")
    write(folder, {"app/src/shop/main.py": LINES})
    commit(folder, "feat: start")
    project = load(folder)
    promote(project, plan_promotion(project))
    return folder


def commit(root: Path, message: str, **files: str) -> None:
    write(root, files)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


def again(root: Path, **wish: object) -> str:
    project = load(root)
    plan = plan_promotion(project, **wish)
    promote(project, plan)
    return plan.version


def text(root: Path, name: str) -> str:
    return (root / name).read_text()


def refuses(root: Path) -> None:
    with pytest.raises(CheckFailed, match="changed in deploy/ itself") as caught:
        plan_promotion(load(root))
    assert "inv promote.backport" in caught.value.remedy


def test_nothing_drifted(root):
    found = drift.find(load(root))
    assert (found.version, found.files, found.diff()) == ("1.0.0", (), "")
    assert backport(load(root)).branch == ""
    assert git(root, "branch", "--show-current").strip() == "main"


@pytest.mark.parametrize("committed", [True, False])
def test_every_kind_of_change_is_found_with_its_diff(root, committed):
    tree = root / "deploy/src"
    (tree / "shop/main.py").write_text(HOTFIX)
    (tree / "shop/old.py").unlink()
    (tree / "shop/new.py").write_text("new\n")
    (tree / "shop/picture.bin").write_bytes(b"\0\1")
    (tree / "run").chmod(0o644)
    write(root, {"deploy/docker/compose.yml": "services: {own: {}}\n"})
    if committed:
        commit(root, "fix: hot")
    found = drift.find(load(root))
    assert [(item.path, item.kind) for item in found.files] == [
        ("src/run", "mode changed"),
        ("src/shop/main.py", "changed"),
        ("src/shop/new.py", "added"),
        ("src/shop/old.py", "removed"),
        ("src/shop/picture.bin", "added"),
    ]
    assert [item.source for item in found.files][1] == "src/shop/main.py"
    shown = found.diff()
    assert "deploy/src/run: mode 0755 -> 0644\n" in shown
    assert "--- a/deploy/src/shop/main.py\n+++ b/deploy/src/shop/main.py\n" in shown
    assert "-line 18\n+line 18, hotfixed\n" in shown
    assert "--- /dev/null\n+++ b/deploy/src/shop/new.py\n" in shown
    assert "-print('to vanish')\n" in shown
    assert "deploy/src/shop/picture.bin: added (binary)\n" in shown


@pytest.mark.parametrize("committed", [True, False])
def test_a_hotfix_is_backported_merged_and_promoted(root, committed):
    write(root, {"deploy/src/shop/main.py": HOTFIX, "deploy/src/shop/new.py": "new\n"})
    if committed:
        commit(root, "fix: hot")
    refuses(root)
    done = backport(load(root))
    assert done.branch == "hotfix/backport-1.0.0"
    assert done.files == ("src/shop/main.py", "src/shop/new.py")
    assert git(root, "branch", "--show-current").strip() == done.branch
    assert text(root, "app/src/shop/main.py") == HOTFIX
    assert text(root, "app/src/shop/new.py") == "new\n"
    assert text(root, "deploy/src/shop/main.py") == HOTFIX
    changed = git(root, "show", "--name-only", "--format=%s", "HEAD").split("\n")
    assert changed[0] == "fix: backport the hotfix of shop 1.0.0 from deploy/"
    assert set(changed[2:]) - {""} == {"app/src/shop/main.py", "app/src/shop/new.py"}
    git(root, "switch", "-q", "main")
    git(root, "merge", "-q", done.branch)
    assert again(root) == "1.0.1"
    assert drift.find(load(root)).files == ()
    assert git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize("squash", [False, True])
def test_newer_work_in_the_source_is_merged_with_it(root, squash):
    commit(root, "feat: newer", **{"app/src/shop/main.py": LINES.replace("line 2\n", "newer 2\n")})
    write(root, {"deploy/src/shop/main.py": HOTFIX})
    done = backport(load(root))
    both = HOTFIX.replace("line 2\n", "newer 2\n")
    assert text(root, "app/src/shop/main.py") == both
    git(root, "switch", "-q", "main")
    if squash:
        git(root, "merge", "-q", "--squash", done.branch)
        git(root, "commit", "-q", "--no-edit")
    else:
        git(root, "merge", "-q", "--no-ff", "-m", "Merge branch 'hotfix'", done.branch)
    # Neither the hotfixed file nor the promoted one, and yet nothing would be lost.
    assert again(root) == "1.1.0"
    assert text(root, "deploy/src/shop/main.py") == both


def test_another_change_after_the_backport_is_refused_again(root):
    commit(root, "feat: newer", **{"app/src/shop/main.py": LINES.replace("line 2\n", "newer 2\n")})
    write(root, {"deploy/src/shop/main.py": HOTFIX})
    backport(load(root))
    plan_promotion(load(root), allow_dirty=True)
    write(root, {"deploy/src/shop/main.py": HOTFIX + "more\n"})
    refuses(root)


def test_a_conflict_is_gits_and_is_resolved_as_gits(root):
    theirs = LINES.replace("line 18\n", "line 18, newer\n")
    commit(root, "feat: newer", **{"app/src/shop/main.py": theirs})
    write(root, {"deploy/src/shop/main.py": HOTFIX})
    with pytest.raises(CheckFailed, match="conflicts with newer changes in 1 files") as caught:
        backport(load(root))
    assert list(caught.value.details) == ["app/src/shop/main.py"]
    assert "git cherry-pick --continue" in caught.value.remedy
    marked = text(root, "app/src/shop/main.py")
    assert "<<<<<<<" in marked
    assert "line 18, hotfixed" in marked
    with pytest.raises(UsageError, match="in the middle of another operation"):
        backport(load(root))
    both = LINES.replace("line 18\n", "line 18, newer and hotfixed\n")
    write(root, {"app/src/shop/main.py": both})
    git(root, "add", "app")
    git(root, "-c", "core.editor=true", "cherry-pick", "--continue")
    assert again(root) == "1.1.0"
    assert text(root, "deploy/src/shop/main.py") == both


def test_a_conflict_can_be_given_up(root):
    theirs = LINES.replace("line 18\n", "line 18, newer\n")
    commit(root, "feat: newer", **{"app/src/shop/main.py": theirs})
    write(root, {"deploy/src/shop/main.py": HOTFIX})
    with pytest.raises(CheckFailed):
        backport(load(root))
    git(root, "cherry-pick", "--abort")
    git(root, "switch", "-q", "-")
    assert text(root, "app/src/shop/main.py") == theirs
    assert text(root, "deploy/src/shop/main.py") == HOTFIX


def test_removed_files_links_and_modes_are_backported(root):
    tree = root / "deploy/src"
    (tree / "shop/old.py").unlink()
    (tree / "run").chmod(0o644)
    (tree / "link.py").unlink()
    (tree / "link.py").symlink_to("shop/__init__.py")
    backport(load(root))
    assert not (root / "app/src/shop/old.py").exists()
    assert (root / "app/src/run").stat().st_mode & 0o111 == 0
    assert (root / "app/src/link.py").readlink() == Path("shop/__init__.py")
    assert again(root) == "1.0.1"


def test_what_the_source_has_already_is_left_alone(root):
    commit(root, "fix: both", **{"deploy/src/shop/main.py": HOTFIX, "app/src/shop/main.py": HOTFIX})
    assert drift.find(load(root)).files[0].is_backported
    assert backport(load(root)).branch == ""
    assert again(root) == "1.0.1"


def test_branches_are_numbered_or_named(root):
    write(root, {"deploy/src/shop/main.py": HOTFIX})
    git(root, "branch", "hotfix/backport-1.0.0")
    with pytest.raises(UsageError, match="exists already"):
        backport(load(root), branch="hotfix/backport-1.0.0")
    with pytest.raises(UsageError, match="is no name for a branch"):
        backport(load(root), branch="two..dots")
    assert backport(load(root)).branch == "hotfix/backport-1.0.0-2"
    git(root, "switch", "-q", "main")
    assert backport(load(root), branch="hotfix/mine").branch == "hotfix/mine"


def derived(root: Path) -> None:
    write(root, {"deploy/generated/release.env": "TOWLINE_VERSION=9.9.9\n"})


def dirty(root: Path) -> None:
    write(root, {"deploy/src/shop/main.py": HOTFIX, "app/src/shop/main.py": "mine"})


def staged(root: Path) -> None:
    write(root, {"deploy/src/shop/main.py": HOTFIX})
    git(root, "add", "-A")


def detached(root: Path) -> None:
    write(root, {"deploy/src/shop/main.py": HOTFIX})
    git(root, "switch", "-q", "--detach")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (derived, "is generated by promotion"),
        (dirty, "has uncommitted changes"),
        (staged, "is staged"),
        (detached, "HEAD is on no branch"),
    ],
)
def test_what_is_refused_changes_nothing(root, spoil, message):
    spoil(root)
    before = git(root, "status", "--porcelain"), git(root, "branch"), git(root, "rev-parse", "HEAD")
    with pytest.raises(UsageError, match=message) as caught:
        backport(load(root))
    assert caught.value.remedy
    after = git(root, "status", "--porcelain"), git(root, "branch"), git(root, "rev-parse", "HEAD")
    assert after == before


def test_a_hotfix_can_be_discarded_and_that_is_recorded(root):
    commit(root, "fix: hot", **{"deploy/src/shop/main.py": HOTFIX})
    digest = drift.find(load(root)).files[0].after.sha256
    plan = plan_promotion(load(root), discard_hotfix=True)
    assert f"discard the hotfix in deploy/src/shop/main.py {digest}" in plan.lines()
    # The tree is what was promoted as 1.0.0 again.
    assert again(root, discard_hotfix=True) == "1.0.0"
    assert text(root, "deploy/src/shop/main.py") == LINES
    assert manifests.read(root / "deploy").discarded == (f"src/shop/main.py {digest}",)
    said = git(root, "log", "-1", "--format=%B")
    assert f"Discarded-hotfix: src/shop/main.py {digest}" in said


def test_outside_git_there_is_nothing_to_merge_with(folder):
    project = load(folder)
    promote(project, plan_promotion(project))
    write(folder, {"deploy/src/shop/main.py": "hot"})
    found = drift.find(project)
    assert found.diff() == "deploy/src/shop/main.py: changed; what was promoted is not in Git\n"
    with pytest.raises(UsageError, match="is in no Git repository"):
        backport(project)
