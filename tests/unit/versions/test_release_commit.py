"""A release of the project: files, changelog, commit and tag; refused, interrupted, finished."""

import errno
import os
from pathlib import Path

import pytest
from project_files import git, write

from towline import atomic as write_module
from towline.config.loading import load
from towline.errors import TowlineError, UsageError
from towline.git.repository import Repository
from towline.versions import release_commit, release_notes, version_files
from towline.versions.version_state import examine

SETTINGS = """\
project: shop
versions:
  url: https://example.org/shop
  files: [pyproject.toml, VERSION, {file: conf.py, pattern: 'release = "{version}"'}]
"""
FILES = {
    "towline.yaml": SETTINGS,
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1.0.0"  # stamped\n',
    "VERSION": "v1.0.0\n",
    "conf.py": '# Sphinx\nrelease = "1.0.0"\n',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that released 1.0.0 and has a feature since."""
    root = tmp_path / "shop"
    root.mkdir()
    git(root, "init", "-q", "-b", "main", "--template=")
    write(root, FILES)
    commit(root, "feat: start")
    git(root, "tag", "-a", "-m", "v1.0.0", "v1.0.0")
    write(root, {"search.py": ""})
    commit(root, "feat(search): find by tag")
    return root


def commit(root: Path, message: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


def release(root: Path, *, auto_commit: bool = True, **asked: str) -> str:
    reconciled = release_commit.recover(load(root))
    if reconciled and reconciled.commit:
        return reconciled.tag.removeprefix("v")
    version_state = examine(load(root))
    plan = release_commit.plan_release(version_state, **asked)
    if plan.nothing_to_do:
        return ""
    release_commit.carry_out(version_state, plan, commit=auto_commit)
    return plan.decision.version


def test_everything_is_written_committed_and_tagged(root):
    assert release(root) == "1.1.0"
    assert (root / "pyproject.toml").read_text().endswith('version = "1.1.0"  # stamped\n')
    assert (root / "VERSION").read_text() == "v1.1.0\n"
    assert (root / "conf.py").read_text() == '# Sphinx\nrelease = "1.1.0"\n'
    changelog = (root / "CHANGELOG.md").read_text()
    assert "## [1.1.0] - " in changelog
    assert "**search**: Find by tag" in changelog
    assert "[1.1.0]: https://example.org/shop/compare/v1.0.0...v1.1.0" in changelog
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "-1", "--format=%s").strip() == "chore(release): v1.1.0"
    assert git(root, "cat-file", "-t", "v1.1.0").strip() == "tag"
    message = git(root, "tag", "-l", "--format=%(contents)", "v1.1.0")
    assert message.startswith("v1.1.0\n")
    assert "### Added" in message
    assert "**search**: Find by tag" in message


def test_a_second_release_finds_nothing_to_do(root):
    release(root)
    head = git(root, "rev-parse", "HEAD")
    assert release(root) == ""
    assert git(root, "rev-parse", "HEAD") == head
    version_state = examine(load(root))
    change, added = release_notes.missing(version_state)
    assert (change.before, added) == (change.after, [])


def test_without_commit_the_files_wait_for_it(root):
    assert release(root, auto_commit=False) == "1.1.0"
    assert git(root, "tag").split() == ["v1.0.0"]
    assert "M pyproject.toml" in git(root, "status", "--porcelain")
    assert release(root) == "1.1.0"
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "tag").split() == ["v1.0.0", "v1.1.0"]


def test_a_version_that_was_set_and_committed_by_hand_is_released(root):
    release_commit.stamp(load(root), "2.0.0")
    commit(root, "chore: two")
    assert release(root) == "2.0.0"


@pytest.mark.parametrize(
    ("asked", "version"),
    [({"bump": "major"}, "2.0.0"), ({"bump": "patch"}, "1.0.1"), ({"version": "1.5.0"}, "1.5.0")],
)
def test_what_is_asked_for_wins(root, asked, version):
    assert release(root, **asked) == version


def state(root: Path) -> tuple[str, ...]:
    return (
        git(root, "rev-parse", "HEAD"),
        git(root, "tag"),
        git(root, "status", "--porcelain"),
        *(path.read_text() for path in sorted(root.glob("*")) if path.is_file()),
    )


def dirty(root: Path) -> None:
    write(root, {"search.py": "uncommitted"})


def detached(root: Path) -> None:
    git(root, "switch", "-q", "--detach")


def tagged_elsewhere(root: Path) -> None:
    git(root, "switch", "-q", "-c", "other", "v1.0.0")
    git(root, "commit", "-q", "--allow-empty", "-m", "feat: other")
    git(root, "tag", "v1.1.0")
    git(root, "switch", "-q", "main")


def unstampable(root: Path) -> None:
    write(root, {"conf.py": "release = version()\n"})
    commit(root, "chore: dynamic")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (dirty, r"1 uncommitted change, the first is search\.py"),
        (detached, "HEAD is detached"),
        (tagged_elsewhere, r"the tag v1\.1\.0 exists already"),
        (unstampable, "is found 0 times, not once"),
    ],
)
def test_what_is_refused_changes_nothing(root, spoil, message):
    spoil(root)
    before = state(root)
    with pytest.raises(UsageError, match=message) as caught:
        release(root)
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    assert state(root) == before


def test_a_hook_that_refuses_the_commit_leaves_everything_as_it_was(root):
    hook = root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no such luck >&2; exit 1\n")
    hook.chmod(0o755)
    before = state(root)
    with pytest.raises(TowlineError, match="no such luck"):
        release(root)
    assert state(root) == before
    assert not (root / "CHANGELOG.md").exists()


def test_interrupted_between_commit_and_tag_the_next_run_tags(root, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Repository, "tag", killed)
        with pytest.raises(KeyboardInterrupt):
            release(root)
    assert git(root, "tag").split() == ["v1.0.0"]
    head = git(root, "rev-parse", "HEAD")
    assert release(root) == "1.1.0"
    assert git(root, "rev-parse", "HEAD") == head
    assert git(root, "rev-parse", "v1.1.0^{commit}") == head
    assert "Find by tag" in git(root, "tag", "-l", "--format=%(contents)", "v1.1.0")


@pytest.mark.parametrize("asked", [{}, {"bump": "minor"}])
@pytest.mark.parametrize("written", range(5))
def test_killed_while_it_writes_the_next_run_finishes(root, written, asked):
    """A kill runs no clean-up: the files that were written stay."""
    plan = release_commit.plan_release(examine(load(root)), **asked)
    for item in plan.files[:written]:
        version_files.write([item])
    assert release(root, **asked) == "1.1.0"
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "show", "v1.1.0:conf.py") == '# Sphinx\nrelease = "1.1.0"\n'


def test_hand_written_text_under_unreleased_moves_into_the_release(root):
    write(root, {"CHANGELOG.md": "# Changes\n\n## [Unreleased]\n\n### Added\n\n- By hand\n"})
    commit(root, "docs: notes")
    release(root)
    text = (root / "CHANGELOG.md").read_text()
    assert text.index("## [Unreleased]") < text.index("## [1.1.0]") < text.index("- By hand")
    assert text.index("- By hand") < text.index("Find by tag")


def test_the_changelog_is_filled_from_tags_and_doing_it_twice_changes_nothing(root):
    release(root)
    git(root, "switch", "-q", "-c", "later")
    write(root, {"x": "1"})
    commit(root, "fix: later")
    git(root, "tag", "v1.1.1")
    write(root, {"CHANGELOG.md": ""})
    change, added = release_notes.missing(examine(load(root)), everything=True)
    assert added == ["1.1.1", "1.1.0", "1.0.0"]
    text = change.after.decode()
    assert text.index("[1.1.1] - ") < text.index("[1.1.0] - ") < text.index("[1.0.0] - ")
    version_files.write([change])
    again, added = release_notes.missing(examine(load(root)), everything=True)
    assert (again.before, added) == (again.after, [])


def test_notes_of_a_version(root):
    version_state = examine(load(root))
    assert "Find by tag" in release_notes.notes(version_state, "next")
    assert "Start" in release_notes.notes(version_state, "1.0.0")
    with pytest.raises(UsageError, match=r"there is no version 3\.0\.0"):
        release_notes.notes(version_state, "3.0.0")


def test_prereleases_and_the_final_version_after_them(root):
    write(root, {"towline.yaml": SETTINGS + "  channels: {main: '', next: rc}\n"})
    commit(root, "chore: channels")
    git(root, "switch", "-q", "-c", "next")
    assert release(root) == "1.1.0-rc.1"
    write(root, {"y": "1"})
    commit(root, "fix: candidate")
    assert release(root) == "1.1.0-rc.2"
    git(root, "switch", "-q", "main")
    git(root, "merge", "-q", "next")
    assert release(root) == "1.1.0"
    notes = release_notes.notes(examine(load(root)), "1.1.0")
    assert "Find by tag" in notes
    assert "Candidate" in notes


def test_a_stamp_needs_a_version_file(root):
    write(root, {"towline.yaml": "project: shop\n"})
    with pytest.raises(UsageError, match="no version file is named"):
        release_commit.stamp(load(root), "2.0.0")


def test_a_path_outside_of_the_repository_is_refused(root):
    write(root.parent, {"VERSION": "1.0.0"})
    for settings, name in (
        ("versions: {files: [../VERSION]}", "VERSION"),
        ("versions: {files: [VERSION], changelog: ../CHANGELOG.md}", "CHANGELOG.md"),
    ):
        write(root, {"towline.yaml": f"project: shop\n{settings}\n"})
        commit(root, "chore: outside")
        with pytest.raises(UsageError, match="is outside the repository") as caught:
            release(root)
        assert f"{root.parent / name} " in caught.value.message
        assert "versions.changelog" in caught.value.remedy
    assert (root.parent / "VERSION").read_text() == "1.0.0"


def test_errors_name_the_file_and_the_key_that_people_wrote(root, monkeypatch):
    write(root, {"towline.yaml": "project: shop\nversions: {files: [nothing.toml]}\n"})
    commit(root, "chore: misspelt")
    with pytest.raises(UsageError, match=r"nothing\.toml does not exist") as caught:
        release(root)
    assert "fix versions.files in towline.yaml" in caught.value.remedy
    write(root, {"towline.yaml": SETTINGS})
    commit(root, "chore: as before")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/.promoting-x")

    with monkeypatch.context() as patched:
        patched.setattr(write_module.tempfile, "mkstemp", full)
        with pytest.raises(TowlineError, match="No space left") as error:
            release_commit.stamp(load(root), "2.0.0")
    assert str(root / "pyproject.toml") in error.value.message
    assert ".promoting" not in error.value.message


def test_a_version_file_that_git_ignores_is_stamped_and_not_committed(root):
    write(root, {".gitignore": "conf.py\n"})
    git(root, "rm", "-q", "--cached", "conf.py")
    commit(root, "chore: ignore")
    assert release(root) == "1.1.0"
    assert (root / "conf.py").read_text().endswith('release = "1.1.0"\n')
    assert "conf.py" not in git(root, "ls-files")


def test_an_empty_changelog_that_was_there_stays_when_a_release_is_undone(root):
    write(root, {"CHANGELOG.md": ""})
    commit(root, "docs: empty")
    hook = root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    before = state(root)
    with pytest.raises(TowlineError):
        release(root)
    assert state(root) == before
    assert (root / "CHANGELOG.md").read_text() == ""


def test_dates_are_those_of_utc(root, monkeypatch):
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-11-21T23:30:00-05:00")
    git(root, "commit", "-q", "--allow-empty", "-m", "fix: late")
    git(root, "tag", "v1.1.0")
    assert "## [1.1.0] - 2026-11-22" in release_notes.missing(examine(load(root)))[0].after.decode()
