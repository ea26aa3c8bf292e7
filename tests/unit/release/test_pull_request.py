"""Pull requests against a local server that answers as GitHub's REST API does."""

import logging
import threading

import pytest

from github_server import GitHub, pull
from towline.errors import TowlineError, UsageError
from towline.release.pull_request import open_pull_request
from towline.release.remote import Remote

TOKEN = "ghp_pl4ntedT0ken"
REMOTE = Remote("github.com", "acme/shop")


@pytest.fixture
def server(monkeypatch):
    server = GitHub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("GITHUB_API_URL", server.url)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    for name in ("GH_TOKEN", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    server.server_close()


def request(remote=REMOTE, **rest):
    given = {"branch": "deploy/promote-1.1.0", "title": "Promote shop 1.1.0", "body": "## shop"}
    return open_pull_request(remote, **{**given, **rest})


def test_a_pull_request_is_opened(server):
    made = request()
    assert (made.number, made.created) == (7, True)
    assert made.url == "https://github.com/acme/shop/pull/7"
    method, path, _, authorization, body = server.asked[-1]
    assert (method, path) == ("POST", "/repos/acme/shop/pulls")
    assert authorization in (f"token {TOKEN}", f"Bearer {TOKEN}")
    assert body == {"base": "main", "head": "deploy/promote-1.1.0",
                    "title": "Promote shop 1.1.0", "body": "## shop"}  # fmt: skip
    listed = next(item for item in server.asked if item[:2] == ("GET", "/repos/acme/shop/pulls"))
    assert "head=acme%3Adeploy%2Fpromote-1.1.0" in listed[2]
    assert "state=open" in listed[2]


def test_an_open_one_is_brought_up_to_date(server):
    server.pulls.append(pull(server, 5))
    made = request(base="production")
    assert (made.number, made.created) == (5, False)
    method, path, _, _, body = server.asked[-1]
    assert (method, path) == ("PATCH", "/repos/acme/shop/pulls/5")
    assert body == {"title": "Promote shop 1.1.0", "body": "## shop"}
    assert not [item for item in server.asked if item[0] == "POST"]


def test_the_repository_may_come_from_the_workflow(server, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/shop")
    monkeypatch.delenv("GITHUB_TOKEN")
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    assert request(None).number == 7


REPO, PULLS = ("GET", "/repos/acme/shop"), ("POST", "/repos/acme/shop/pulls")
INVALID = {"message": "Validation Failed", "errors": [{"message": "No commits between main and x"}]}


@pytest.mark.parametrize(
    ("where", "answer", "kind", "message", "remedy"),
    [
        (REPO, (401, {"message": "Bad credentials"}, {}), UsageError,
         "does not accept the token", "GITHUB_TOKEN"),
        (REPO, (404, {"message": "Not Found"}, {}), UsageError,
         "does not show us acme/shop", "address"),
        (PULLS, (403, {"message": "Resource not accessible by integration"}, {}), UsageError,
         "forbids it: Resource not accessible", "pull-requests:write"),
        (PULLS, (403, {"message": "a secondary rate limit"}, {"retry-after": "60"}),
         TowlineError, "limits our requests", "in 60 s"),
        (PULLS, (422, INVALID, {}), TowlineError, "refuses the pull request", "by hand"),
        (PULLS, (503, {"message": "down"}, {}), TowlineError, "GitHub", "again|by hand"),
    ],
)  # fmt: skip
def test_refusals_are_explained_and_hold_no_token(
    server, caplog, where, answer, kind, message, remedy
):
    caplog.set_level(logging.DEBUG)
    server.answers[where] = answer
    with pytest.raises(kind, match=message) as caught:
        request()
    error = caught.value
    assert "deploy/promote-1.1.0 is pushed" in error.message
    assert any(word in error.remedy for word in remedy.split("|"))
    assert TOKEN not in repr((error, error.message, error.remedy, list(error.details)))
    assert TOKEN not in caplog.text
    if answer[0] == 422:
        assert list(error.details) == ["No commits between main and x"]


def test_a_server_that_is_down(server, monkeypatch):
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:1")
    with pytest.raises(TowlineError, match="GitHub cannot be reached"):
        request()


def test_no_token(server, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN")
    with pytest.raises(UsageError, match="there is no token") as caught:
        request()
    assert "GITHUB_TOKEN" in caught.value.remedy
    assert server.asked == []


def test_a_token_never_travels_in_the_clear(server, monkeypatch):
    monkeypatch.setenv("GITHUB_API_URL", "http://github.example")
    with pytest.raises(UsageError, match="in the clear"):
        request()


@pytest.mark.parametrize(
    "remote", [None, Remote("git.example", "shop"), Remote("git.example", "a/b/c")]
)
def test_what_is_no_repository_on_github(server, remote):
    with pytest.raises(UsageError, match="is no repository on GitHub"):
        request(remote)
