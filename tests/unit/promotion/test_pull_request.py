"""Pull requests against a local server that answers as GitHub's REST API does."""

import logging
import ssl
import threading
import time

import pytest

from github_server import GitHub, pull
from towline.config.certificate import KEY, self_signed
from towline.errors import TowlineError, UsageError
from towline.git.remote import Remote
from towline.promotion.pull_request import api_address, open_pull_request

TOKEN = "ghp_pl4ntedT0ken"
REMOTE = Remote("github.com", "acme/shop")


@pytest.fixture
def server(monkeypatch):
    server = GitHub()
    # It ends as soon as it is told to.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
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


def test_one_to_another_branch_is_not_doubled_unless_a_base_is_asked_for(server):
    server.pulls.append(pull(server, 5))
    assert request().number == 5
    assert request(base="production").number == 5
    without, given = [query for method, path, query, *_ in server.asked if path.endswith("/pulls")]
    assert "base=" not in without
    assert "base=production" in given


def test_the_repository_may_come_from_the_workflow(server, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/shop")
    monkeypatch.delenv("GITHUB_TOKEN")
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    assert request(None).number == 7


def test_a_repository_that_was_renamed(server):
    """Only questions are passed on from an earlier name, so that the new one is used."""
    moved = {"owner": {"login": "acme"}, "full_name": "acme/store", "default_branch": "main"}
    server.answers[REPO] = (301, {}, {"Location": f"{server.url}/repositories/1"})
    server.answers["GET", "/repositories/1"] = (200, moved, {})
    server.answers["GET", "/repos/acme/store/pulls"] = (200, [], {})
    server.answers["POST", "/repos/acme/store/pulls"] = (201, pull(server, 9), {})
    assert request().number == 9


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
        (PULLS, (503, {"message": "down"}, {}), TowlineError, "GitHub failed: 503", "again"),
        (REPO, (503, {"message": "down"}, {}), TowlineError, "GitHub failed: 503", "again"),
        (REPO, (403, {"message": None}, {}), UsageError, "forbids it", "pull-requests:write"),
        (REPO, (200, {}, {}), UsageError, "does not answer as GitHub's API", "GITHUB_API_URL"),
        (REPO, (200, ["a"], {}), UsageError, "does not answer as GitHub's API", "GITHUB_API_URL"),
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


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_server_that_asks_to_wait_is_not_waited_for(server, status):
    server.answers[REPO] = (status, {"message": "slow down"}, {"Retry-After": "3600"})
    start = time.monotonic()
    with pytest.raises(TowlineError) as caught:
        request()
    assert time.monotonic() - start < 60
    assert "in 3600 s" in caught.value.remedy


def test_the_end_of_a_rate_limit_is_said(server):
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 1800)}
    server.answers[REPO] = (403, {"message": "API rate limit exceeded for user 1"}, headers)
    with pytest.raises(TowlineError, match="limits our requests") as caught:
        request()
    seconds = int(caught.value.remedy.split()[-2])
    assert 1700 < seconds <= 1800


def test_a_server_that_is_down(server, monkeypatch):
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:1")
    with pytest.raises(TowlineError, match="GitHub cannot be reached"):
        request()


def to_itself(server, monkeypatch):
    server.answers[REPO] = (302, {}, {"Location": f"{server.url}/repos/acme/shop"})


def garbled(server, monkeypatch):
    server.answers[REPO] = (200, {}, {"Content-Encoding": "gzip"})


def wrong_port(server, monkeypatch):
    monkeypatch.setenv("GITHUB_API_URL", "https://github.example:port/api/v3")


def proxy(address):
    def behind(server, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("HTTPS_PROXY", address)

    return behind


def no_certificates(server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (to_itself, "TooManyRedirects: Exceeded maximum"),
        (garbled, "DecodingError: Error -3 while decompressing"),
        (wrong_port, "InvalidURL: Invalid port: 'port'"),
        (proxy("socks5://me:h1ddenWord@127.0.0.1:1"), "ImportError: Using SOCKS proxy"),
        (proxy("ftp://me:h1ddenWord@127.0.0.1:1"), "InvalidURL: Unknown scheme for proxy"),
        (no_certificates, "FileNotFoundError"),
    ],
)
def test_whatever_comes_between_is_said_in_words(server, monkeypatch, broken, said):
    """By then the branch was pushed: whoever reads a traceback does not learn that."""
    broken(server, monkeypatch)
    with pytest.raises(TowlineError, match="GitHub cannot be reached") as caught:
        request()
    assert said in caught.value.message
    assert caught.value.message.endswith("; deploy/promote-1.1.0 is pushed")
    assert "h1ddenWord" not in caught.value.message


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_companys_own_certificates_are_trusted(server, monkeypatch, tmp_path, name):
    bundle = self_signed(tmp_path, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, tmp_path / KEY)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("GITHUB_API_URL", server.url.replace("http:", "https:"))
    monkeypatch.setattr("towline.promotion.github._PAUSE", 0)
    for other in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)
    with pytest.raises(TowlineError, match="CERTIFICATE_VERIFY_FAILED"):
        request()
    monkeypatch.setenv(name, str(bundle))
    assert request().number == 7
    monkeypatch.setenv(name, str(tmp_path / "gone.pem"))
    with pytest.raises(UsageError, match=f"{name}: no certificates can be read .* is pushed"):
        request()


def test_no_token(server, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN")
    with pytest.raises(UsageError, match="there is no token") as caught:
        request()
    assert "GITHUB_TOKEN" in caught.value.remedy
    assert server.asked == []


def test_a_line_end_is_no_part_of_a_token(server, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", f"{TOKEN}\r\n")
    assert request().number == 7
    assert {item[3].split()[1] for item in server.asked} == {TOKEN}


@pytest.mark.parametrize("mark", ["…", " ", "\n", "é"])
def test_what_cannot_be_a_token_is_said_without_it(server, monkeypatch, mark):
    monkeypatch.setenv("GITHUB_TOKEN", f"{TOKEN}{mark}{TOKEN}")
    with pytest.raises(UsageError, match="GITHUB_TOKEN holds characters") as caught:
        request()
    assert TOKEN not in repr((caught.value, caught.value.remedy, caught.value.__context__))
    assert server.asked == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://github.example", "in the clear"),
        ("github.example/api/v3", "in the clear"),
        ("https://", "is no address"),
        ("https://[bad", "is no address"),
    ],
)
def test_a_token_never_travels_in_the_clear_or_nowhere(server, monkeypatch, address, message):
    monkeypatch.setenv("GITHUB_API_URL", address)
    with pytest.raises(UsageError, match=message):
        request()


@pytest.mark.parametrize(
    "host", ["gitlab.com", "git.gitlab.example", "bitbucket.org", "codeberg.org"]
)
def test_a_token_for_github_is_not_shown_to_other_hosts(server, monkeypatch, host):
    monkeypatch.delenv("GITHUB_API_URL")
    with pytest.raises(UsageError, match=f"{host} is not GitHub"):
        request(Remote(host, "acme/shop"))


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        (Remote("github.com", "a/b"), "https://api.github.com"),
        (None, "https://api.github.com"),
        (Remote("git.example", "a/b"), "https://git.example/api/v3"),
        (Remote("git.example", "a/b", port="8443"), "https://git.example:8443/api/v3"),
        (Remote("git.example", "a/b", port="3000", scheme="http"), "https://git.example/api/v3"),
    ],
)
def test_where_the_api_is(monkeypatch, remote, address):
    monkeypatch.delenv("GITHUB_API_URL", raising=False)
    assert api_address(remote) == address


@pytest.mark.parametrize(
    "remote", [None, Remote("git.example", "shop"), Remote("git.example", "a/b/c")]
)
def test_what_is_no_repository_on_github(server, remote):
    with pytest.raises(UsageError, match="is no repository on GitHub"):
        request(remote)
