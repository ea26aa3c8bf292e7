"""A promotion on its own branch, pushed to a real bare repository."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from project_files import git, write

from towline.errors import TowlineError, UsageError
from towline.git.publishing import on_branch, push
from towline.git.repository import Repository, open_repository


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


def test_a_branch_of_others_is_where_it_was_after_a_failure(repository):
    git(repository.root, "branch", "develop")
    with pytest.raises(TowlineError, match="the tests failed"), on_branch(repository, "develop"):
        raise TowlineError("the tests failed")
    assert repository.branch() == "main"
    assert repository.has_branch("develop")


@pytest.mark.parametrize("fails", [True, False])
def test_a_left_branch_without_commits_of_its_own_is_caught_up(repository, fails):
    root = repository.root
    git(root, "branch", "deploy/x")
    change(root, message="feat: more")
    try:
        with on_branch(repository, "deploy/x"):
            assert git(root, "log", "-1", "--format=%s").strip() == "feat: more"
            if fails:
                raise TowlineError("the tests failed")
            change(root, "three\n")
    except TowlineError:
        assert fails
    assert repository.branch() == ("main" if fails else "deploy/x")
    subjects = git(root, "log", "--format=%s", "deploy/x").split("\n")
    expected = ["feat: start"] if fails else ["chore(release): two", "feat: more", "feat: start"]
    assert subjects[:-1] == expected


def test_a_branch_that_follows_another_is_not_moved(repository):
    root = repository.root
    git(root, "switch", "-q", "-c", "release")
    git(root, "push", "-q", "-u", "origin", "release")
    there = repository.head()
    git(root, "switch", "-q", "main")
    change(root, message="feat: more")
    with (
        pytest.raises(UsageError, match="exists already, and follows another"),
        on_branch(repository, "release"),
    ):
        pass
    assert git(root, "rev-parse", "release").strip() == there


@pytest.mark.parametrize(
    ("there", "name"), [("deploy", "deploy/x"), ("deploy", "deploy/x/y"), ("deploy/x", "deploy")]
)
def test_names_that_git_cannot_keep_beside_another(repository, there, name):
    git(repository.root, "branch", there)
    with (
        pytest.raises(UsageError, match=f"cannot keep a branch {name} beside {there}") as caught,
        on_branch(repository, name),
    ):
        pass
    assert "--branch" in caught.value.remedy
    assert repository.branch() == "main"


@pytest.mark.parametrize("name", ["two..dots", "-x", "a b", "x.lock", "@{-1}"])
def test_names_that_are_none(repository, name):
    git(repository.root, "switch", "-q", "-c", "other")
    git(repository.root, "switch", "-q", "main")
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
        ("https://user:s3/s3cret@127.0.0.1:1/a/b.git", "cannot be reached"),
        ("ssh://git@127.0.0.1:1/a/b.git", "cannot be reached"),
    ],
)
def test_remotes_that_cannot_be_reached(repository, address, message):
    git(repository.root, "remote", "set-url", "origin", address)
    error = refused(repository)
    assert message in error.message
    assert "s3cret" not in repr((error.message, error.details, error.remedy))


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.send_header("WWW-Authenticate", 'Basic realm="shop"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host(repository, monkeypatch) -> Iterator[ThreadingHTTPServer]:
    """A host of repositories that lets nobody in, as origin, with credentials in its address."""
    monkeypatch.delenv("GIT_ASKPASS", raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.status = 401
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://user:s3cret@127.0.0.1:{server.server_address[1]}/a/b.git"
    git(repository.root, "remote", "set-url", "origin", address)
    git(repository.root, "config", "credential.helper", "")
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "does not accept our credentials"),
        (403, "forbids us to push"),
        (404, "is not found, or not shown to us"),
        (500, "cannot be reached"),
    ],
)
def test_what_a_host_answers(repository, host, status, message):
    host.status = status
    error = refused(repository)
    assert message in error.message
    assert "s3cret" not in repr((error, error.message, error.details, error.remedy))


@pytest.mark.parametrize("user", ["", "user@"])
def test_nobody_is_asked_for_a_password(repository, host, user):
    address = f"http://{user}127.0.0.1:{host.server_address[1]}/a/b.git"
    git(repository.root, "remote", "set-url", "origin", address)
    assert "asks for credentials" in refused(repository).message


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_script_that_knows_the_password_is_asked(repository, host, monkeypatch, tmp_path):
    address = f"http://127.0.0.1:{host.server_address[1]}/a/b.git"
    git(repository.root, "remote", "set-url", "origin", address)
    asked = tmp_path / "asked"
    monkeypatch.setenv("GIT_ASKPASS", script(tmp_path / "ask", f"touch {asked}; echo s3cret"))
    assert "does not accept our credentials" in refused(repository).message
    assert asked.exists()


@pytest.mark.parametrize("where", ["core.sshCommand", "GIT_SSH_COMMAND", "GIT_SSH", ""])
def test_ssh_is_the_one_that_people_chose_and_asks_nothing(
    repository, monkeypatch, tmp_path, where
):
    for name in ("GIT_SSH_COMMAND", "GIT_SSH"):
        monkeypatch.delenv(name, raising=False)
    asked = tmp_path / "asked"
    text = f'echo "$@" > {asked}\necho "Host key verification failed." >&2\nexit 255'
    if where:
        program = script(tmp_path / "chosen", text)
    else:
        (tmp_path / "bin").mkdir()
        program = script(tmp_path / "bin/ssh", text)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    if where == "core.sshCommand":
        git(repository.root, "config", where, program)
    elif where:
        monkeypatch.setenv(where, program)
    git(repository.root, "remote", "set-url", "origin", "git@127.0.0.1:a/b.git")
    assert "we do not know the host key" in refused(repository).message
    assert ("BatchMode=yes" in asked.read_text()) == (where == "")


def test_a_remote_that_does_not_exist(repository):
    error = refused(repository, "upstream")
    assert "there is no Git remote 'upstream'" in error.message
    assert error.exit_code == 2
