"""Smoke tests: a few real requests, a WebSocket conversation, optionally a test command."""

from __future__ import annotations

import os
import shlex
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from towline.config.models import HttpSmoke, Smoke, WebSocketSmoke
from towline.health.probes import Answer, Outcome

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
    import httpx

    started = time.monotonic()
    try:
        # The limit is on the whole answer; httpx's own timeout is per read.
        response = httpx.get(
            base + test.path, verify=_tls(base, insecure), timeout=max(test.within, 0.1) + 1.0
        )
    except httpx.HTTPError as error:
        took = time.monotonic() - started
        return Answer(Outcome.ERROR, str(error) or type(error).__name__, took)
    took = time.monotonic() - started
    if response.status_code != test.status:
        said = " ".join(response.text.split())[:160]
        return Answer(
            Outcome.FAILURE, f"{response.status_code}, wanted {test.status}: {said}", took
        )
    if took > test.within:
        return Answer(Outcome.FAILURE, f"took {took:.2f} s, limit {test.within:.2f} s", took)
    if test.contains not in response.text:
        return Answer(Outcome.FAILURE, f"{test.contains!r} is not in the answer", took)
    return Answer(Outcome.HEALTHY, f"{response.status_code} in {took * 1000:.0f} ms", took)


def _conversation(base: str, test: WebSocketSmoke, insecure: bool) -> Answer:
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    url = "ws" + base.removeprefix("http") + test.path
    tls = _tls(base, insecure)
    started = time.monotonic()
    try:
        with connect(
            url,
            ssl=tls if isinstance(tls, ssl.SSLContext) else None,
            open_timeout=test.within,
            close_timeout=0.5,
            proxy=None,
        ) as socket:
            if test.send:
                socket.send(test.send)
            answer = str(socket.recv(timeout=test.within)) if test.expect else ""
    except (OSError, WebSocketException, TimeoutError) as error:
        took = time.monotonic() - started
        return Answer(Outcome.ERROR, str(error) or type(error).__name__, took)
    took = time.monotonic() - started
    if test.expect not in answer:
        return Answer(Outcome.FAILURE, f"answered {answer[:80]!r}, wanted {test.expect!r}", took)
    return Answer(Outcome.HEALTHY, f"open and answered in {took * 1000:.0f} ms", took)


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


def _tls(base: str, insecure: bool) -> ssl.SSLContext | bool:
    # Building a verifying context reads the whole CA bundle: not for plain HTTP.
    if not base.startswith("https"):
        return False
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
