"""One request and whether its answer is as wanted: probes and smoke tests are judged here alike."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from towline.config.http_request import HttpRequest
from towline.config.json_limits import json_faults
from towline.config.redaction import KNOWN, excerpt
from towline.health.fetch import LIMIT, Page, fetch
from towline.health.probes import Answer, Outcome, failure, hint, status_hint

_SHOWN = 160


def send_request(
    base: str,
    wanted: HttpRequest,
    *,
    timeout: float,
    grace: float = 0.0,
    port: int | None = None,
    tls: ssl.SSLContext | None = None,
    limit: int = LIMIT,
    direct: bool = False,
) -> Answer:
    """Send a request once and judge its answer; redirects are not followed.

    Args:
        base: Scheme, host and port; the request's path is appended.
        wanted: What is sent, and what a good answer is.
        timeout: Seconds that the answer may take, to its end.
        grace: Seconds more that are waited, so that what is only slow is told with its time.
        port: The port as people know it, for messages; that of `base` where it is not given.
        tls: For an `https` address.
        limit: Bytes of the body that are read, where the body is of no interest.
        direct: An engine gave the address, which no proxy leads to.
    """
    started = time.monotonic()
    reads = wanted.contains or wanted.limits
    try:
        page = fetch(
            base + wanted.path,
            method=wanted.method,
            headers=wanted.sent_headers,
            body=wanted.sent_body,
            timeout=timeout + grace,
            tls=tls,
            until="" if wanted.limits else wanted.contains,
            limit=LIMIT if reads else limit,
            direct=direct,
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        took = time.monotonic() - started
        named = port or urlsplit(base).port
        return Answer(Outcome.ERROR, failure(error, timeout, named), took, hint(error))
    return _judge(page, wanted, timeout)


def _judge(page: Page, wanted: HttpRequest, timeout: float) -> Answer:
    took, status = page.seconds, page.status
    if status not in wanted.status:
        known = " or ".join(map(str, wanted.status))
        said = f"{status}, wanted {known}: {excerpt(page.text, _SHOWN)}".removesuffix(": ")
        return Answer(Outcome.FAILURE, said, took, status_hint(status, wanted.sent_headers))
    if not page.ended:
        said = f"{status}, but the answer did not end within {timeout:g} s"
        return Answer(Outcome.ERROR, said, took, "for a stream, give `contains: TEXT`")
    if took > timeout:
        return Answer(Outcome.FAILURE, f"took {took:.2f} s, limit {timeout:.2f} s", took)
    if fault := next(_faults(page, wanted), ""):
        return Answer(Outcome.FAILURE, KNOWN.redact(fault), took)
    return Answer(Outcome.HEALTHY, f"{status} in {took * 1000:.0f} ms", took)


def _faults(page: Page, wanted: HttpRequest) -> Iterator[str]:
    """What is wrong in a body."""
    if wanted.contains not in page.text:
        yield f"{wanted.contains!r} is not in the answer"
    if not wanted.limits:
        return
    try:
        data = json.loads(page.text)
    except ValueError:
        yield f"the answer is no JSON: {excerpt(page.text, _SHOWN)}"
        return
    yield from json_faults(data, wanted.limits)
