"""Ask one address once, and say what came of it.

Four outcomes are kept apart: healthy, failure (it answered, and the answer was no), error (it
could not be asked) and inconclusive (it is too early to tell).
"""

import http.client
import time
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a probe found."""

    HEALTHY = "healthy"
    FAILURE = "failure"
    ERROR = "error"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Answer:
    """One probe's answer; `seconds` is how long it took."""

    outcome: Outcome
    detail: str
    seconds: float = 0.0

    @property
    def healthy(self) -> bool:
        """Whether all is well."""
        return self.outcome is Outcome.HEALTHY


def http_probe(
    address: tuple[str, int], path: str, *, status: int = 200, timeout: float = 2.0
) -> Answer:
    """GET `path` and compare the status code; redirects are not followed."""
    started = time.monotonic()
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "towline", "Connection": "close"})
        response = connection.getresponse()
        body = response.read(2000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        detail = f"GET {path}: {str(error) or type(error).__name__}"
        return Answer(Outcome.ERROR, detail, time.monotonic() - started)
    finally:
        connection.close()
    took = time.monotonic() - started
    if response.status == status:
        return Answer(Outcome.HEALTHY, f"GET {path}: {status} in {took * 1000:.0f} ms", took)
    said = " ".join(body.split())[:160]
    return Answer(Outcome.FAILURE, f"GET {path}: {response.status}, wanted {status}: {said}", took)
