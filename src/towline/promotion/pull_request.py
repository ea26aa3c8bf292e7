"""Pull requests on GitHub, by its REST API (https://docs.github.com/rest/pulls/pulls)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from towline.config.redaction import KNOWN
from towline.errors import TowlineError, UsageError
from towline.git.remote import Remote

if TYPE_CHECKING:
    from towline.promotion.github import GitHub, Refused

TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")
_PUBLIC = "github.com"
_OTHERS = ("gitlab", "bitbucket", "codeberg", "gitea", "forgejo")


@dataclass(frozen=True)
class PullRequest:
    """A pull request.

    Attributes:
        number: Its number.
        url: Its page.
        created: Whether it is new; else one was there, and was brought up to date.
    """

    number: int
    url: str
    created: bool


def open_pull_request(
    remote: Remote | None, *, branch: str, title: str, body: str, base: str = ""
) -> PullRequest:
    """Open a pull request for a pushed branch, or bring the open one up to date.

    The token comes from the environment alone (`GITHUB_TOKEN`, then `GH_TOKEN`), the address of
    the API from `GITHUB_API_URL` where it is set, as in GitHub Actions.

    Args:
        remote: The repository; None for the one that `GITHUB_REPOSITORY` names.
        branch: The branch, in the same repository.
        title: Its title.
        body: Its text, in Markdown.
        base: The branch that it goes to; the repository's default branch when empty.

    Raises:
        UsageError: When there is no token or no repository, or GitHub does not accept them.
        TowlineError: When GitHub cannot be reached or refuses.
    """
    from towline.promotion.github import GitHub, Refused, Unreachable

    path = remote.path if remote else os.environ.get("GITHUB_REPOSITORY", "")
    if path.count("/") != 1:
        raise UsageError(
            f"the remote is no repository on GitHub ({path or 'no address'})",
            remedy="push with --push, and open the request by hand; or set GITHUB_REPOSITORY",
        )
    token, api = _token(), api_address(remote)
    # It leaves this process: commit messages and names of files may hold what nobody should read.
    title, body = KNOWN.redact(title), KNOWN.redact(body)
    try:
        with GitHub(api, token) as client:
            return _opened(client, path, base, {"head": branch, "title": title, "body": body})
    except UsageError as error:
        raise UsageError(f"{error.message}; {branch} is pushed", remedy=error.remedy) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UsageError(
            f"{urlsplit(api).hostname} does not answer as GitHub's API does; {branch} is pushed",
            remedy="set GITHUB_API_URL to the address of the API: https://HOST/api/v3",
        ) from None
    except Refused as error:
        _refused(error, path, branch)
    except Unreachable as error:
        said = KNOWN.redact(": ".join(filter(None, (type(error).__name__, str(error)))))
        raise TowlineError(
            f"GitHub cannot be reached: {said}; {branch} is pushed",
            remedy="try again, or open the request by hand",
        ) from None


def _opened(client: GitHub, path: str, base: str, wanted: dict[str, str]) -> PullRequest:
    repository = client.get(f"/repos/{path}")
    # By the name that it has now: only questions are passed on from an earlier one.
    pulls = f"/repos/{repository.get('full_name') or path}/pulls"
    head = f"{repository['owner']['login']}:{wanted['head']}"
    # Without a base asked for, one that people pointed at another branch is the one.
    for found in client.get(pulls, state="open", head=head, **({"base": base} if base else {})):
        text = {"title": wanted["title"], "body": wanted["body"]}
        client.patch(f"{pulls}/{int(found['number'])}", **text)
        return _pull_request(found, created=False)
    into = base or repository["default_branch"]
    return _pull_request(client.post(pulls, base=into, **wanted), created=True)


def _pull_request(data: Any, *, created: bool) -> PullRequest:
    return PullRequest(data["number"], data["html_url"], created)


def _token() -> str:
    for name in TOKENS:
        token = os.environ.get(name, "").strip()
        if not token:
            continue
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise UsageError(
                f"{name} holds characters that no token has", remedy=f"export {name}=… again"
            )
        return token
    raise UsageError(
        "there is no token for GitHub",
        remedy="export GITHUB_TOKEN=…, with the permissions contents:read and pull-requests:write",
    )


def api_address(remote: Remote | None) -> str:
    """Where the REST API of a remote's host is.

    Args:
        remote: The repository; None for GitHub itself.

    Raises:
        UsageError: When `GITHUB_API_URL` is unfit, or the host is known to be another product.
    """
    given = os.environ.get("GITHUB_API_URL", "").rstrip("/")
    if given:
        return _secure(given)
    if remote is None or remote.host == _PUBLIC:
        return f"https://api.{_PUBLIC}"
    if any(name in remote.host for name in _OTHERS):
        raise UsageError(
            f"{remote.host} is not GitHub, and a token for GitHub is not for it",
            remedy="push with --push, and open the request by hand; or set GITHUB_API_URL",
        )
    host = f"[{remote.host}]" if ":" in remote.host else remote.host
    # The token goes by https, whatever the remote does; a port of http is none for that.
    port = f":{remote.port}" if remote.port and remote.scheme == "https" else ""
    return f"https://{host}{port}/api/v3"


def _secure(given: str) -> str:
    try:
        parts = urlsplit(given)
        host = parts.hostname
    except ValueError:
        host = None
    if not host and given.startswith(("https:", "http:")):
        problem = "is no address"
    elif parts.scheme == "https" or host in ("localhost", "127.0.0.1", "::1"):
        return given
    else:
        problem = "is no https address: the token would travel in the clear"
    raise UsageError(f"GITHUB_API_URL {problem}", remedy="write https://HOST/api/v3")


def _refused(error: Refused, path: str, branch: str) -> NoReturn:
    said = error.data.get("message") or ""
    pushed = f"; {branch} is pushed"
    wait = _wait(error.headers)
    if error.status == 401:
        raise UsageError(
            f"GitHub does not accept the token{pushed}",
            remedy="export GITHUB_TOKEN=… with a new one",
        ) from None
    if error.status in (403, 429) and (wait or "rate limit" in said.lower()):
        when = f"in {wait} s" if wait else "later"
        raise TowlineError(
            f"GitHub limits our requests: {said}{pushed}", remedy=f"try again {when}"
        ) from None
    if error.status == 403:
        raise UsageError(
            f"GitHub forbids it: {said}{pushed}",
            remedy="give the token pull-requests:write; in GitHub Actions: permissions",
        ) from None
    if error.status == 404:
        raise UsageError(
            f"GitHub does not show us {path}{pushed}",
            remedy="check the remote's address, and that the token may read the repository",
        ) from None
    if error.status >= 500:
        raise TowlineError(
            f"GitHub failed: {error.status}{pushed}",
            remedy=f"try again {f'in {wait} s' if wait else 'later'}, or open the request by hand",
        ) from None
    details = [
        str(item.get("message", item)) if isinstance(item, dict) else str(item)
        for item in error.data.get("errors") or []
    ]
    raise TowlineError(
        f"GitHub refuses the pull request ({error.status}): {said}{pushed}",
        details=details,
        remedy="fix what it says, or open the request by hand",
    ) from None


def _wait(headers: Mapping[str, str]) -> str:
    """How many seconds the server asks to wait; empty when it does not say."""
    if headers.get("retry-after"):
        return headers["retry-after"]
    if headers.get("x-ratelimit-remaining") == "0":
        with suppress(ValueError):
            return str(max(0, round(int(headers.get("x-ratelimit-reset", "")) - time.time())))
    return ""
