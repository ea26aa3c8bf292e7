"""A promotion on its own branch, pushed to a real bare repository."""

from pathlib import Path

import pytest
from project_files import git, write

from towline.errors import TowlineError, UsageError
from towline.release.publishing import on_branch, push
from towline.release.repository import Repository, open_repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one commit, and a bare one as its remote."""
    root = tmp_path / "shop"
    write(root, {"file": "one\n"})
    git(root, "init", "-q", "-b", "main", "--template=")
    commit(root, "feat: start")
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "--template=", "remote.git")
    git(root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(root, "push", "-q", "origin", "main")
    found = open_repository(root)
    assert found is not None
    return found


def commit(root: Path, message: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


def change(root: Path, text: str = "two\n", message: str = "chore(release): two") -> None:
    write(root, {"file": text})
    commit(root, message)


def test_the_commit_lands_on_the_branch_which_stays(repository):
    with on_branch(repository, "deploy/promote-1.1.0"):
        change(repository.root)
    assert repository.branch() == "deploy/promote-1.1.0"
    assert git(repository.root, "log", "-1", "--format=%s", "main").strip() == "feat: start"


@pytest.mark.parametrize("fails", [True, False])
def test_without_a_commit_the_branch_before_is_back(repository, fails):
    write(repository.root, {"elsewhere": "mine\n"})
    try:
        with on_branch(repository, "deploy/promote-1.1.0"):
            if fails:
                raise TowlineError("the tests failed")
    except TowlineError:
        assert fails
    assert repository.branch() == "main"
    assert not repository.has_branch("deploy/promote-1.1.0")
    assert (repository.root / "elsewhere").read_text() == "mine\n"


def test_a_detached_head_is_detached_again(repository):
    git(repository.root, "switch", "-q", "--detach")
    head = repository.head()
    with on_branch(repository, "deploy/x"):
        assert repository.branch() == "deploy/x"
    assert (repository.branch(), repository.head()) == ("", head)


def test_a_branch_that_a_killed_run_left_is_used_again(repository):
    git(repository.root, "branch", "deploy/x")
    with on_branch(repository, "deploy/x"):
        change(repository.root)
    assert repository.branch() == "deploy/x"
    git(repository.root, "switch", "-q", "main")
    with (
        pytest.raises(UsageError, match="exists already, with other commits"),
        on_branch(repository, "deploy/x"),
    ):
        pass
    assert repository.branch() == "main"


@pytest.mark.parametrize("name", ["two..dots", "-x", "a b", "x.lock", "@{-1}"])
def test_names_that_are_none(repository, name):
    with pytest.raises(UsageError, match="is no name for a branch"), on_branch(repository, name):
        pass


def test_a_branch_is_pushed_and_pushing_it_again_is_harmless(repository):
    with on_branch(repository, "deploy/x"):
        change(repository.root)
    for _ in range(2):
        push(repository, "origin", "deploy/x")
    remote = Path(repository.remote("origin"))
    assert git(remote, "rev-parse", "deploy/x") == git(repository.root, "rev-parse", "HEAD")
    upstream = git(repository.root, "rev-parse", "--abbrev-ref", "deploy/x@{upstream}").strip()
    assert upstream == "origin/deploy/x"


def refused(repository: Repository, remote: str = "origin") -> TowlineError:
    with pytest.raises(TowlineError) as caught:
        push(repository, remote, repository.branch())
    assert "the promotion is committed on" in caught.value.message
    assert caught.value.remedy
    return caught.value


def test_other_commits_on_the_remote_are_not_overwritten(repository, tmp_path):
    git(tmp_path, "clone", "-q", "remote.git", "other")
    git(tmp_path / "other", "switch", "-q", "-c", "deploy/x")
    change(tmp_path / "other", "theirs\n")
    git(tmp_path / "other", "push", "-q", "origin", "deploy/x")
    with on_branch(repository, "deploy/x"):
        change(repository.root)
    error = refused(repository)
    assert "origin has other commits on deploy/x" in error.message
    assert "git push -u origin deploy/x" in error.remedy


def test_a_hook_that_refuses_is_quoted(repository):
    hook = Path(repository.remote("origin")) / "hooks/pre-receive"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho 'only on weekdays' >&2\nexit 1\n")
    hook.chmod(0o755)
    with on_branch(repository, "deploy/x"):
        change(repository.root)
    error = refused(repository)
    assert "a hook declined" in error.message
    assert any("only on weekdays" in line for line in (error.message, *error.details))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/nowhere/shop.git", "is no repository that Git can reach"),
        ("https://user:s3cret@127.0.0.1:1/a/b.git", "cannot be reached"),
        ("ssh://git@127.0.0.1:1/a/b.git", "cannot be reached"),
    ],
)
def test_remotes_that_cannot_be_reached(repository, address, message):
    git(repository.root, "remote", "set-url", "origin", address)
    error = refused(repository)
    assert message in error.message
    assert "s3cret" not in repr((error.message, error.details, error.remedy))


def test_a_remote_that_does_not_exist(repository):
    error = refused(repository, "upstream")
    assert "there is no Git remote 'upstream'" in error.message
    assert error.exit_code == 2
