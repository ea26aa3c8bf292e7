"""Smoke tests: a few real requests, a WebSocket conversation, optionally a test command."""

from __future__ import annotations

import http.client
import os
import shlex
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from towline.config.deploy_sections import HttpSmoke, Smoke, WebSocketSmoke
from towline.config.redaction import excerpt
from towline.health.fetch import fetch
from towline.health.probes import Answer, Outcome, failure, hint, status_hint

_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class SmokeResult:
    """One smoke test: what was asked, what came of it, and at which attempt."""

    name: str
    answer: Answer
    attempts: int = 1
    output: tuple[str, ...] = ()


def run_smoke(
    base_url: str, smoke: Smoke, *, folder: Path, insecure: bool = False
) -> list[SmokeResult]:
    """Run all smoke tests against an address; requests run side by side.

    Args:
        base_url: Such as `https://shop.example`; paths are appended to it.
        smoke: What to ask.
        folder: Where the test command runs.
        insecure: Accept a certificate that cannot be verified.
    """
    base = base_url.rstrip("/")
    tests: list[tuple[str, Callable[[], Answer]]] = [
        *_requests(base, smoke, insecure),
        *_conversations(base, smoke, insecure),
    ]
    with ThreadPoolExecutor(max_workers=max(1, min(8, len(tests)))) as pool:
        results = list(pool.map(lambda test: _attempt(test[0], test[1], smoke.retries), tests))
    if smoke.command and all(result.answer.healthy for result in results):
        results.append(_command(base, smoke, folder, insecure))
    return results


def _attempt(name: str, ask: Callable[[], Answer], retries: int) -> SmokeResult:
    for attempt in range(1, retries + 2):
        answer = ask()
        if answer.healthy or attempt > retries:
            break
        time.sleep(_PAUSE)
    return SmokeResult(name, answer, attempt)


def _requests(
    base: str, smoke: Smoke, insecure: bool
) -> Iterator[tuple[str, Callable[[], Answer]]]:
    for test in smoke.requests:
        yield f"GET {test.path}", lambda test=test: _request(base, test, insecure)  # type: ignore[misc]


def _conversations(
    base: str, smoke: Smoke, insecure: bool
) -> Iterator[tuple[str, Callable[[], Answer]]]:
    for test in smoke.websockets:
        yield f"WS  {test.path}", lambda test=test: _conversation(base, test, insecure)  # type: ignore[misc]


def _request(base: str, test: HttpSmoke, insecure: bool) -> Answer:
    limit = max(test.timeout, 0.1)
    started = time.monotonic()
    try:
        page = fetch(
            base + test.path,
            headers=test.headers,
            tls=_tls(base, insecure),
            # A little more, so that one that is only slow is told with its time.
            timeout=limit + 1.0,
            until=test.contains,
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        took = time.monotonic() - started
        return Answer(Outcome.ERROR, failure(error, limit), took, hint(error))
    took = page.seconds
    if page.status != test.status:
        said = f"{page.status}, wanted {test.status}: {excerpt(page.text, 160)}"
        return Answer(Outcome.FAILURE, said, took, status_hint(page.status, test.headers))
    if not page.ended:
        said = f"{page.status}, but the answer did not end within {limit:.2f} s"
        return Answer(Outcome.FAILURE, said, took, "for a stream, give `contains: TEXT`")
    if took > test.timeout:
        return Answer(Outcome.FAILURE, f"took {took:.2f} s, limit {test.timeout:.2f} s", took)
    if test.contains not in page.text:
        return Answer(Outcome.FAILURE, f"{test.contains!r} is not in the answer", took)
    return Answer(Outcome.HEALTHY, f"{page.status} in {took * 1000:.0f} ms", took)


def _conversation(base: str, test: WebSocketSmoke, insecure: bool) -> Answer:
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    started = time.monotonic()
    url, named, headers = _named("ws" + base.removeprefix("http") + test.path, test.headers)
    try:
        with connect(
            url,
            sock=_dialled(named, test.timeout) if named else None,
            ssl=_tls(base, insecure),
            additional_headers=headers,
            open_timeout=test.timeout,
            close_timeout=0.5,
            proxy=None,
        ) as conversation:
            if test.send:
                conversation.send(test.send)
            answer = str(conversation.recv(timeout=test.timeout)) if test.expect else ""
    except (OSError, WebSocketException, TimeoutError) as error:
        took = time.monotonic() - started
        return Answer(Outcome.ERROR, str(error) or type(error).__name__, took)
    took = time.monotonic() - started
    if test.expect not in answer:
        said = f"answered {excerpt(answer, 80)!r}, wanted {test.expect!r}"
        return Answer(Outcome.FAILURE, said, took)
    return Answer(Outcome.HEALTHY, f"open and answered in {took * 1000:.0f} ms", took)


def _named(url: str, headers: Mapping[str, str]) -> tuple[str, str, dict[str, str]]:
    """An address under the name of a Host header, where to dial then, and the other headers."""
    host = next((value for name, value in headers.items() if name.lower() == "host"), "")
    rest = {name: value for name, value in headers.items() if name.lower() != "host"}
    if not host:
        return url, "", rest
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=host)), url, rest


def _dialled(url: str, timeout: float) -> socket.socket:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    return socket.create_connection((parts.hostname or "", port), timeout=timeout)


def _command(base: str, smoke: Smoke, folder: Path, insecure: bool) -> SmokeResult:
    argv = [
        sys.executable if smoke.command[0] == "python" else smoke.command[0],
        *smoke.command[1:],
    ]
    environment = {
        **os.environ,
        "TOWLINE_BASE_URL": base,
        **({"TOWLINE_INSECURE": "1"} if insecure else {}),
    }
    name = shlex.join(smoke.command)
    started = time.monotonic()
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=smoke.command_timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return SmokeResult(name, Answer(Outcome.ERROR, str(error), time.monotonic() - started))
    took = time.monotonic() - started
    output = tuple((done.stdout + done.stderr).splitlines()[-15:])
    if done.returncode:
        return SmokeResult(
            name, Answer(Outcome.FAILURE, f"exit code {done.returncode}", took), output=output
        )
    return SmokeResult(
        name, Answer(Outcome.HEALTHY, f"passed in {took:.1f} s", took), output=output
    )


def _tls(base: str, insecure: bool) -> ssl.SSLContext | None:
    # Building a verifying context reads the whole CA bundle: not for plain HTTP.
    if not base.startswith("https"):
        return None
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
