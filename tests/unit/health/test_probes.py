"""Probes and smoke tests against real servers on loopback."""

import http.server
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from websockets.sync.server import serve

from towline.config.models import HttpSmoke, Smoke, WebSocketSmoke
from towline.health.probes import Outcome, http_probe
from towline.health.smoke import run_smoke


class Answers(http.server.BaseHTTPRequestHandler):
    seen: dict[str, int] = {}  # noqa: RUF012 - counted over all requests of a test

    def do_GET(self):
        self.seen[self.path] = self.seen.get(self.path, 0) + 1
        if self.path == "/slow":
            time.sleep(0.4)
        failing = self.path == "/bad" or (self.path == "/second" and self.seen[self.path] == 1)
        body = b"no database" if failing else b"hello world"
        self.send_response(503 if failing else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    Answers.seen = {}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running.server_address
        running.shutdown()
        thread.join()


@contextmanager
def talking(answer):
    def handle(socket):
        for said in socket:
            if answer is not None:
                socket.send(answer(said))

    with serve(handle, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.socket.getsockname()[1]}"
        running.shutdown()
        thread.join()


def smoke(address, *requests, folder=".", **settings):
    base = f"http://{address[0]}:{address[1]}"
    return run_smoke(base, Smoke(requests=list(requests), **settings), folder=folder)


def test_a_healthy_answer(server):
    answer = http_probe(server, "/")
    assert answer.healthy
    assert "GET /: 200" in answer.detail


def test_a_failure_is_told_with_what_was_said(server):
    answer = http_probe(server, "/bad")
    assert answer.outcome is Outcome.FAILURE
    assert answer.detail == "GET /bad: 503, wanted 200: no database"


def test_a_wanted_error_is_healthy(server):
    assert http_probe(server, "/bad", status=503).healthy


def test_slowness_and_refusal_are_errors_and_not_failures(server):
    assert http_probe(server, "/slow", timeout=0.1).outcome is Outcome.ERROR
    assert http_probe(("127.0.0.1", 1), "/").outcome is Outcome.ERROR


def test_requests_pass_side_by_side(server):
    started = time.monotonic()
    results = smoke(server, *[HttpSmoke(path="/slow") for _ in range(4)])
    assert all(result.answer.healthy for result in results)
    assert time.monotonic() - started < 1.2


def test_a_second_attempt_may_succeed_and_is_counted(server):
    (result,) = smoke(server, HttpSmoke(path="/second"), retries=2)
    assert (result.answer.healthy, result.attempts) == (True, 2)


def test_status_text_and_time_are_judged(server):
    status, text, slow, right = smoke(
        server,
        HttpSmoke(path="/bad"),
        HttpSmoke(path="/", contains="goodbye"),
        HttpSmoke(path="/slow", within=0.1),
        HttpSmoke(path="/", contains="hello"),
        retries=0,
    )
    assert status.answer.detail == "503, wanted 200: no database"
    assert "'goodbye' is not in the answer" in text.answer.detail
    assert "limit 0.10 s" in slow.answer.detail
    assert right.answer.healthy


def test_nobody_there_is_an_error():
    (result,) = smoke(("127.0.0.1", 1), HttpSmoke(path="/"), retries=1)
    assert (result.answer.outcome, result.attempts) == (Outcome.ERROR, 2)


def test_a_websocket_conversation():
    test = WebSocketSmoke(path="/ws", send="ping", expect="pong", within=0.5)
    with talking(lambda said: "pong" if said == "ping" else "?") as base:
        (result,) = run_smoke(base, Smoke(websockets=[test]), folder=".")
    assert result.answer.healthy, result.answer.detail
    with talking(lambda _: "nonsense") as base:
        (result,) = run_smoke(base, Smoke(websockets=[test], retries=0), folder=".")
    assert result.answer.outcome is Outcome.FAILURE
    with talking(None) as base:
        (result,) = run_smoke(base, Smoke(websockets=[test], retries=0), folder=".")
    assert result.answer.outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("import os; assert os.environ['TOWLINE_BASE_URL'].startswith('http')", Outcome.HEALTHY),
        ("print('one assertion failed'); raise SystemExit(1)", Outcome.FAILURE),
        ("import time; time.sleep(9)", Outcome.ERROR),
    ],
)
def test_a_test_command(server, tmp_path, code, outcome):
    (result,) = smoke(server, folder=tmp_path, command=["python", "-c", code], command_timeout=1.0)
    assert result.answer.outcome is outcome
    assert ("one assertion failed" in result.output) == (outcome is Outcome.FAILURE)


def test_a_test_command_does_not_run_after_a_failed_request(server, tmp_path):
    results = smoke(
        server, HttpSmoke(path="/bad"), folder=tmp_path, retries=0, command=[sys.executable, "-V"]
    )
    assert [result.name for result in results] == ["GET /bad"]
