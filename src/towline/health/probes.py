"""What came of a probe, in words.

Four outcomes are kept apart: healthy, failure (it answered, and the answer was no), error (it
could not be asked) and inconclusive (it is too early to tell).
"""

import http
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from towline.config.redaction import excerpt

_SHOWN = 160
# `RemoteDisconnected` is a `ConnectionResetError`.
_NOBODY = (ConnectionRefusedError, ConnectionResetError, BrokenPipeError)


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
        kind: Which probe it was: a kind of `health`, or `healthcheck` for the container's own,
            `running` where there is none; empty when nothing was asked.
    """

    outcome: Outcome
    detail: str
    seconds: float = 0.0
    hint: str = ""
    kind: str = ""

    @property
    def healthy(self) -> bool:
        """Whether all is well."""
        return self.outcome is Outcome.HEALTHY


def failure(error: Exception, timeout: float, port: int | None = None) -> str:
    """Why nothing was answered, in words.

    Args:
        error: What was raised.
        timeout: Seconds that it had.
        port: The port that was asked, as whoever reads it knows it.
    """
    if isinstance(error, _NOBODY):
        # Docker's proxy accepts a connection before anything listens behind it, and closes it.
        return f"nothing listens on port {port} yet" if port else "nothing listens there yet"
    if isinstance(error, TimeoutError):
        return f"no whole answer within {timeout:g} s"
    # What speaks no HTTP may send anything, and it stands in the exception.
    return excerpt(str(error), _SHOWN) or type(error).__name__


def hint(error: Exception) -> str:
    """What helps where nothing was answered."""
    if isinstance(error, _NOBODY):
        return (
            "if it needs longer to start, raise `rollout.health_timeout`, or give it a "
            "`start_period`; else compare its `port` with the port and the address it listens on "
            "(0.0.0.0, not 127.0.0.1)"
        )
    return ""


def status_hint(status: int, headers: Mapping[str, str]) -> str:
    """What helps against an answer that waiting does not change."""
    named = any(name.lower() == "host" for name in headers)
    if status == http.HTTPStatus.BAD_REQUEST and not named:
        return (
            "it may refuse the Host header of a probe, as Django does by ALLOWED_HOSTS: set "
            "`host: shop.example` of the probe (in x-towline, or of the smoke test)"
        )
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return (
            "it wants a login or another Host header: choose a path that needs none, or set "
            "`headers` or `host` of the probe"
        )
    if status in (301, 302, 307, 308):
        return (
            "it redirects, perhaps to https: exempt the path, or set `headers: {X-Forwarded-Proto: "
            "https}` of the probe"
        )
    return ""
