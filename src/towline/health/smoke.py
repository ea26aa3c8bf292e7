"""Smoke tests: a few real requests, a WebSocket conversation, optionally a test command."""

from __future__ import annotations

import os
import shlex
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from towline.config.deploy_sections import HttpSmoke, Smoke, WebSocketSmoke
from towline.health.conversation import converse
from towline.health.expectations import send_request
from towline.health.probes import Answer, Outcome

_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class SmokeResult:
    """One smoke test: what was asked, what came of it, and at which attempt."""

    name: str
    answer: Answer
    attempts: int = 1
    output: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test is run.

    Attributes:
        url: Scheme, host and port; paths are appended to it.
        port: Its port as people know it, for messages; that of the address when not given.
        insecure: Accept a certificate that cannot be verified.
        direct: An engine gave the address, which no proxy leads to.
    """

    url: str
    port: int | None = None
    insecure: bool = False
    direct: bool = False


def run_smoke(
    base_url: str,
    smoke: Smoke,
    *,
    folder: Path,
    insecure: bool = False,
    port: int | None = None,
    direct: bool = False,
    services: Mapping[str, Place] | None = None,
) -> list[SmokeResult]:
    """Run all smoke tests against an address; requests run side by side.

    Args:
        base_url: Such as `https://shop.example`; paths are appended to it.
        smoke: What to ask.
        folder: Where the test command runs.
        insecure: Accept a certificate that cannot be verified.
        port: The port as people know it, for messages; that of the address when not given.
        direct: An engine gave the address, which no proxy leads to.
        services: Where tests of a service are run, by its name; as all others when not given.
    """
    place = Place(base_url.rstrip("/"), port, insecure, direct)
    tests: list[tuple[str, Callable[[], Answer]]] = [
        (f"{test.method} {test.path}", partial(_request, _place_of(test, place, services), test))
        for test in smoke.requests
    ]
    tests += [
        (f"WS  {test.path}", partial(_conversation, _place_of(test, place, services), test))
        for test in smoke.websockets
    ]
    with ThreadPoolExecutor(max_workers=max(1, min(8, len(tests)))) as pool:
        results = list(pool.map(lambda test: _attempt(test[0], test[1], smoke.retries), tests))
    if smoke.command and all(result.answer.healthy for result in results):
        results.append(_command(place, smoke, folder))
    return results


def _place_of(
    test: HttpSmoke | WebSocketSmoke, place: Place, services: Mapping[str, Place] | None
) -> Place | None:
    return place if services is None or not test.service else services.get(test.service)


def _attempt(name: str, ask: Callable[[], Answer], retries: int) -> SmokeResult:
    for attempt in range(1, retries + 2):
        answer = ask()
        if answer.healthy or attempt > retries:
            break
        time.sleep(_PAUSE)
    return SmokeResult(name, answer, attempt)


def _nowhere(service: str) -> Answer:
    hint = "name an app service that has a `port`"
    return Answer(Outcome.ERROR, f"service {service} has no port to test", hint=hint)


def _request(place: Place | None, test: HttpSmoke) -> Answer:
    if place is None:
        return _nowhere(test.service)
    # A little more, so that one that is only slow is told with its time.
    limit = max(test.timeout, 0.1)
    return send_request(
        place.url,
        test,
        timeout=limit,
        grace=1.0,
        port=place.port,
        tls=_tls(place),
        direct=place.direct,
    )


def _conversation(place: Place | None, test: WebSocketSmoke) -> Answer:
    if place is None:
        return _nowhere(test.service)
    return converse(
        f"ws{place.url.removeprefix('http')}{test.path}",
        headers={**({"Host": test.host} if test.host else {}), **test.headers},
        send=test.send,
        expect=test.expect,
        timeout=test.timeout,
        port=place.port,
        tls=_tls(place),
    )


def _command(place: Place, smoke: Smoke, folder: Path) -> SmokeResult:
    argv = [
        sys.executable if smoke.command[0] == "python" else smoke.command[0],
        *smoke.command[1:],
    ]
    environment = {
        **os.environ,
        "TOWLINE_BASE_URL": place.url,
        **({"TOWLINE_INSECURE": "1"} if place.insecure else {}),
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


def _tls(place: Place) -> ssl.SSLContext | None:
    # Building a verifying context reads the whole CA bundle: not for plain HTTP.
    if not place.url.startswith("https"):
        return None
    context = ssl.create_default_context()
    if place.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
