"""What is asked of Git below a folder, and what it says when it fails."""

import shutil
import time
from pathlib import Path

import pytest
from project_files import git, write

import towline.git
from towline.errors import TowlineError
from towline.git.log import Reading, read
from towline.git.process import GitTimedOut, run_git
from towline.git.repository import open_repository


def test_a_folder_that_is_gone_is_asked_for_by_its_name(project):
    repository = open_repository(project.root)
    assert repository.files(project.deploy_tree) == ["docker/compose.yml"]
    assert repository.changes(project.deploy_tree) == []
    shutil.rmtree(project.deploy_tree)
    assert repository.files(project.deploy_tree) == ["docker/compose.yml"]
    (change,) = repository.changes(project.deploy_tree)
    assert (change.state, change.path) == (" D", project.deploy_tree / "docker/compose.yml")


def test_names_that_are_not_text_come_through(project):
    odd = project.source_tree / "src" / b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    odd.write_text("")
    repository = open_repository(project.root)
    assert any((project.source_tree / name) == odd for name in repository.files(odd.parent.parent))
    assert odd in {change.path for change in repository.changes(project.root)}


def test_what_git_says_is_told_line_by_line(project):
    with pytest.raises(TowlineError, match="git cat-file failed: fatal: ") as caught:
        open_repository(project.root).blob("HEAD:nothing")
    assert "nothing" in str(caught.value)


def test_a_history_that_was_asked_for_early_is_the_same(project):
    repository = open_repository(project.root)
    early, late = read(repository, Reading(project.root)), read(repository)
    assert [early[place] for place in range(len(early))] == [late[0]]
    # Where it cannot be read the usual way tells why.
    assert len(read(repository, Reading(project.root / "gone"))) == 1


def test_since_looks_through_merges_and_old_clocks(project, monkeypatch):
    """A commit whose clock was slow comes after its children all the same."""
    root = project.root

    def commit(name, seconds):
        write(root, {f"app/{name}.txt": name})
        git(root, "add", "-A")
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{int(time.time()) + seconds} +0000")
        git(root, "commit", "-q", "-m", f"feat: {name}")
        return git(root, "rev-parse", "HEAD").strip()

    commit("base", 9000)
    git(root, "switch", "-q", "-c", "side")
    side = commit("side", -9000)
    git(root, "switch", "-q", "main")
    released = commit("released", 5)
    after = commit("after", -20_000)
    git(root, "merge", "-q", "--no-edit", "side")
    merge = git(root, "rev-parse", "HEAD").strip()
    history = read(open_repository(root))
    for sha in (released, side, after, merge):
        found = {item.sha for item in history.since(sha)}
        assert found == set(git(root, "rev-list", f"{sha}..HEAD").split())
    assert len(history.since("")) == len(history) == 6


def test_git_is_started_in_one_place():
    source = Path(towline.git.__file__).parents[1]
    starts = {path for path in source.rglob("*.py") if '["git"' in path.read_text()}
    assert starts == {source / "git" / "process.py"}


def test_a_git_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(GitTimedOut, match=r"git wait did not end within 0 s"):
        run_git(tmp_path, "-c", "alias.wait=!sleep 60", "wait", timeout=0.01)
