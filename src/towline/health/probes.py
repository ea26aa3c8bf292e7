"""Ask one address once, and say what came of it.

Four outcomes are kept apart: healthy, failure (it answered, and the answer was no), error (it
could not be asked) and inconclusive (it is too early to tell).
"""

import http
import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from towline.config.redaction import excerpt
from towline.health.fetch import fetch

_SHOWN = 160
_PAGE = 65536


class Outcome(StrEnum):
    """What a probe found."""

    HEALTHY = "healthy"
    FAILURE = "failure"
    ERROR = "error"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Answer:
    """One probe's answer; `seconds` is how long it took.

    Attributes:
        hint: What to do about it, where the answer itself tells.
    """

    outcome: Outcome
    detail: str
    seconds: float = 0.0
    hint: str = ""

    @property
    def healthy(self) -> bool:
        """Whether all is well."""
        return self.outcome is Outcome.HEALTHY


def http_probe(
    address: tuple[str, int],
    path: str,
    *,
    status: int = 200,
    timeout: float = 2.0,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """GET `path` and compare the status code; redirects are not followed.

    The answer must end within `timeout`, or be longer than anybody looks at.
    """
    started = time.monotonic()
    host, port = address
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    try:
        page = fetch(url, headers=headers or {}, timeout=timeout, limit=_PAGE)
    except (OSError, http.client.HTTPException, ValueError) as error:
        took = time.monotonic() - started
        return Answer(Outcome.ERROR, f"GET {path}: {failure(error, timeout)}", took, hint(error))
    took = page.seconds
    if page.status != status:
        said = excerpt(page.text, _SHOWN)
        detail = f"GET {path}: {page.status}, wanted {status}: {said}"
        return Answer(Outcome.FAILURE, detail, took, status_hint(page.status, headers or {}))
    if not page.ended:
        detail = f"GET {path}: {status}, but the answer did not end within {timeout:g} s"
        return Answer(Outcome.ERROR, detail, took)
    return Answer(Outcome.HEALTHY, f"GET {path}: {status} in {took * 1000:.0f} ms", took)


def failure(error: Exception, timeout: float) -> str:
    """Why nothing was answered, in words."""
    if isinstance(error, ConnectionRefusedError | http.client.RemoteDisconnected):
        # Docker's proxy accepts a connection before anything listens behind it, and closes it.
        return "nothing listens there yet"
    if isinstance(error, TimeoutError):
        return f"no whole answer within {timeout:g} s"
    return str(error) or type(error).__name__


def hint(error: Exception) -> str:
    """What helps where nothing was answered."""
    if isinstance(error, ConnectionRefusedError | http.client.RemoteDisconnected):
        return (
            "if it needs longer to start, raise `rollout.health_timeout`; else compare its `port` "
            "with the port and the address it listens on (0.0.0.0, not 127.0.0.1)"
        )
    return ""


def status_hint(status: int, headers: Mapping[str, str]) -> str:
    """What helps against an answer that waiting does not change."""
    named = any(name.lower() == "host" for name in headers)
    if status == http.HTTPStatus.BAD_REQUEST and not named:
        return (
            "it may refuse the Host header of a probe, as Django does by ALLOWED_HOSTS: set "
            "`health: {path: …, headers: {Host: shop.example}}` in x-towline"
        )
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return (
            "it wants a login or another Host header: choose a path that needs none, or set "
            "`headers` of the probe"
        )
    if status in (301, 302, 307, 308):
        return (
            "it redirects, perhaps to https: exempt the path, or set `headers: {X-Forwarded-Proto: "
            "https}` of the probe"
        )
    return ""
