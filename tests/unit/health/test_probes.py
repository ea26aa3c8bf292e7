"""Probes and smoke tests against real servers on loopback."""

import http.server
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from websockets.sync.server import serve

from towline.config.deploy_sections import HttpSmoke, Smoke, WebSocketSmoke
from towline.config.probes import HttpProbe
from towline.config.redaction import KNOWN
from towline.health.asking import ask_probe
from towline.health.probes import Outcome
from towline.health.smoke import run_smoke
from towline.health.target import Target


class Answers(http.server.BaseHTTPRequestHandler):
    seen: dict[str, int] = {}  # noqa: RUF012 - counted over all requests of a test

    def do_GET(self):
        self.seen[self.path] = self.seen.get(self.path, 0) + 1
        if self.path == "/slow":
            time.sleep(0.4)
        if self.path == "/together":
            self.together.wait(20)
        failing = self.path == "/bad" or (self.path == "/second" and self.seen[self.path] == 1)
        body = b"no database" if failing else b"hello world"
        pages = {
            "/host": self.headers["Host"],
            "/leaks": "<p>pl4nted-s3cret is wrong</p>",
            "/leaks-late": "x" * 150 + " pl4nted-s3cret",
            "/refused": "<html><head><title>Bad Request</title></head><h1>(400)</h1></html>",
        }
        body = pages[self.path].encode() if self.path in pages else body
        if self.path in ("/leaks", "/leaks-late", "/refused"):
            self.send_response(400)
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response(503 if failing else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    Answers.seen, Answers.together = {}, threading.Barrier(4)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running.server_address
        running.shutdown()
        thread.join()


@contextmanager
def talking(answer, look=lambda request: None):
    def handle(socket):
        for said in socket:
            if answer is not None:
                socket.send(answer(said))

    with serve(handle, "127.0.0.1", 0, process_request=lambda _, request: look(request)) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.socket.getsockname()[1]}"
        running.shutdown()
        thread.join()


def http_probe(address, path, **settings):
    target = Target(8000, lambda _: address, lambda *_: None)
    return ask_probe(HttpProbe(path=path, **settings), target)


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


class Endless(http.server.BaseHTTPRequestHandler):
    """Pages that never end, each in its own way, until the other side goes."""

    def do_GET(self):
        parts = {"/events": b"data: tick\n\n", "/drip": b"x", "/flood": b"x" * 65536}
        kind = self.path.partition("?")[0]
        pause = 0.0 if kind == "/flood" else 0.02
        with suppress(OSError):
            if kind == "/headers":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while True:
                    self.wfile.write(b"X-Drip: 1\r\n" if self.path.endswith("lines") else b"x")
                    time.sleep(pause)
            self.send_response(200)
            self.end_headers()
            while kind in parts:
                self.wfile.write(parts[kind])
                time.sleep(pause)
            time.sleep(60)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def endless():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as running:
        running.daemon_threads = True
        running.block_on_close = False
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running.server_address
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/events", "/drip", "/headers", "/silent"])
def test_a_page_that_never_ends_holds_up_no_probe(endless, path):
    started = time.monotonic()
    answer = http_probe(endless, path, timeout=0.3)
    assert time.monotonic() - started < 30
    assert answer.outcome is Outcome.ERROR
    assert "0.3 s" in answer.detail


def test_a_page_without_end_is_read_only_so_far(endless):
    started = time.monotonic()
    assert http_probe(endless, "/flood", timeout=60.0).healthy
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("path", ["/events", "/drip", "/headers", "/silent"])
def test_nor_a_smoke_test(endless, path):
    started = time.monotonic()
    (result,) = smoke(endless, HttpSmoke(path=path, timeout=0.2), retries=0)
    assert time.monotonic() - started < 30
    assert not result.answer.healthy
    assert "0.2" in result.answer.detail


def test_a_stream_passes_when_it_says_what_is_wanted(endless):
    (result,) = smoke(endless, HttpSmoke(path="/events", contains="tick", timeout=30.0), retries=0)
    assert result.answer.healthy, result.answer.detail


def test_headers_are_sent_and_a_host_takes_the_place_of_the_address(server):
    def host(**headers):
        answer = http_probe(server, "/host", headers=headers, status=404)
        return answer.detail.rpartition(": ")[2]

    assert host().startswith("127.0.0.1:")
    assert host(Host="shop.example") == "shop.example"
    page = HttpSmoke(path="/host", contains="shop.example", headers={"host": "shop.example"})
    (result,) = smoke(server, page)
    assert result.answer.healthy


def test_a_websocket_can_be_opened_under_another_name():
    seen = []
    test = WebSocketSmoke(path="/ws", timeout=30.0, headers={"Host": "shop.example", "X-A": "b"})
    with talking(None, lambda request: seen.append(request.headers)) as base:
        (result,) = run_smoke(base, Smoke(websockets=[test]), folder=".")
    assert result.answer.healthy, result.answer.detail
    assert seen[0].get_all("Host") == ["shop.example"]
    assert seen[0]["X-A"] == "b"


def test_an_answer_that_waiting_does_not_change_says_what_does(server):
    answer = http_probe(server, "/refused")
    assert answer.detail == "GET /refused: 400, wanted 200: Bad Request (400)"
    assert "ALLOWED_HOSTS" in answer.hint
    assert "host: shop.example" in answer.hint
    nobody = http_probe(("127.0.0.1", 1), "/")
    assert nobody.detail == "GET /: nothing listens on port 8000 yet"
    assert "rollout.health_timeout" in nobody.hint


def test_a_secret_on_a_page_is_masked_before_it_is_cut(server):
    KNOWN.learn({"API_TOKEN": "pl4nted-s3cret"})
    for path in ("/leaks", "/leaks-late"):
        detail = http_probe(server, path).detail
        assert "pl4nt" not in detail
        (result,) = smoke(server, HttpSmoke(path=path), retries=0)
        assert "pl4nt" not in result.answer.detail


def test_requests_pass_side_by_side(server):
    """Each is answered when all of them are there."""
    pages = [HttpSmoke(path="/together", timeout=30.0) for _ in range(4)]
    results = smoke(server, *pages, retries=0)
    assert all(result.answer.healthy for result in results)


def test_a_second_attempt_may_succeed_and_is_counted(server):
    (result,) = smoke(server, HttpSmoke(path="/second"), retries=2)
    assert (result.answer.healthy, result.attempts) == (True, 2)


def test_status_text_and_time_are_judged(server):
    status, text, slow, right = smoke(
        server,
        HttpSmoke(path="/bad"),
        HttpSmoke(path="/", contains="goodbye"),
        HttpSmoke(path="/slow", timeout=0.1),
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
    test = WebSocketSmoke(path="/ws", send="ping", expect="pong", timeout=30.0)
    with talking(lambda said: "pong" if said == "ping" else "?") as base:
        (result,) = run_smoke(base, Smoke(websockets=[test]), folder=".")
    assert result.answer.healthy, result.answer.detail
    with talking(lambda _: "nonsense") as base:
        (result,) = run_smoke(base, Smoke(websockets=[test], retries=0), folder=".")
    assert result.answer.outcome is Outcome.FAILURE
    test = test.model_copy(update={"timeout": 0.5})
    with talking(None) as base:
        (result,) = run_smoke(base, Smoke(websockets=[test], retries=0), folder=".")
    assert result.answer.outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("import os; assert os.environ['TOWLINE_BASE_URL'].startswith('http')", Outcome.HEALTHY),
        ("print('one assertion failed'); raise SystemExit(1)", Outcome.FAILURE),
        ("import time; time.sleep(60)", Outcome.ERROR),
    ],
)
def test_a_test_command(server, tmp_path, code, outcome):
    timeout = 0.5 if outcome is Outcome.ERROR else 60.0
    command = ["python", "-c", code]
    (result,) = smoke(server, folder=tmp_path, command=command, command_timeout=timeout)
    assert result.answer.outcome is outcome
    assert ("one assertion failed" in result.output) == (outcome is Outcome.FAILURE)


def test_a_test_command_does_not_run_after_a_failed_request(server, tmp_path):
    results = smoke(
        server, HttpSmoke(path="/bad"), folder=tmp_path, retries=0, command=[sys.executable, "-V"]
    )
    assert [result.name for result in results] == ["GET /bad"]
