"""Each kind of probe against a real server on loopback, or a real process."""

import http.server
import json
import os
import socketserver
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from websockets.sync.server import serve

from towline.config.deploy_sections import HttpSmoke, Smoke
from towline.config.redaction import KNOWN
from towline.config.services import Service
from towline.health.asking import ask_probe
from towline.health.guesses import guess_probe
from towline.health.probes import Outcome
from towline.health.smoke import Place, run_smoke
from towline.health.target import Target
from towline.health.uptime import parse_uptime
from towline.hosts.base import Result


def no_command(argv, timeout):
    raise AssertionError(f"{argv} was run")


def ask(health, address=None, run=no_command, in_deploy=True):
    probe = Service.model_validate({"port": 8000, "health": health}).health
    return ask_probe(probe, Target(8000, lambda _: address, run, in_deploy))


@contextmanager
def served(server):
    server.daemon_threads = True
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_address
        server.shutdown()
        thread.join()


@contextmanager
def pages(answers, seen=None):
    """A web server; `answers` has path -> (status, data or text)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            size = int(self.headers["Content-Length"] or 0)
            if seen is not None:
                seen.append((self.command, dict(self.headers), self.rfile.read(size).decode()))
            status, said = answers.get(self.path.partition("?")[0], (404, "nothing here"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write((said if isinstance(said, str) else json.dumps(said)).encode())

        do_POST = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *arguments):
            pass

    with served(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield address


@contextmanager
def lines(talk):
    """A server of plain text; `talk` is a conversation over its two files."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            talk(self.rfile, self.wfile)

    with served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as address:
        yield address


# http


def test_a_request_is_sent_as_it_is_written():
    seen = []
    health = {"path": "/in", "method": "POST", "host": "shop.example", "body": {"a": 1},
              "status": [200, 202]}  # fmt: skip
    with pages({"/in": (202, "fine")}, seen) as address:
        answer = ask(health, address)
    assert answer.healthy
    assert answer.detail.startswith("POST /in: 202 in ")
    assert (answer.kind, answer.seconds > 0) == ("http", True)
    ((method, headers, body),) = seen
    assert (method, headers["Host"], body) == ("POST", "shop.example", '{"a": 1}')
    assert headers["Content-Type"] == "application/json"


def test_values_in_json_are_judged_and_text_is():
    limits = {"pool.available": ">= 1", "database": "ok"}
    full = {"database": "ok", "pool": {"available": 0}}
    pages_ = {"/good": (200, {**full, "pool": {"available": 2}}), "/full": (200, full),
              "/text": (200, "<html><title>Sign in</title></html>")}  # fmt: skip
    with pages(pages_) as address:
        assert ask({"path": "/good", "json": limits}, address).healthy
        bad = ask({"path": "/full", "json": limits}, address)
        text = ask({"path": "/text", "json": limits}, address)
        lacks = ask({"path": "/good", "contains": "nothing like it"}, address)
        (smoke,) = run_smoke(
            f"http://127.0.0.1:{address[1]}",
            Smoke(
                requests=[HttpSmoke.model_validate({"path": "/full", "json": limits})], retries=0
            ),
            folder=".",
        )
    assert bad.detail == "GET /full: pool.available is 0, wanted >= 1"
    assert bad.outcome is Outcome.FAILURE
    assert text.detail == "GET /text: the answer is no JSON: Sign in"
    assert lacks.detail == "GET /good: 'nothing like it' is not in the answer"
    assert smoke.answer.detail == "pool.available is 0, wanted >= 1"


def test_one_of_several_statuses_is_wanted():
    with pages({"/": (500, "")}) as address:
        assert ask({"status": [200, 204]}, address).detail == "GET /: 500, wanted 200 or 204"


def test_html_never_stands_in_a_message():
    page = f"<html><style>x{{}}</style><title>Bad\nRequest</title><p>{'very long ' * 80}</p></html>"
    with pages({"/": (400, page)}) as address:
        answer = ask("/", address)
    assert answer.detail.startswith("GET /: 400, wanted 200: Bad Request very long")
    assert "<" not in answer.detail
    assert "\n" not in answer.detail
    assert len(answer.detail) < 200


def test_what_speaks_no_http_is_cut():
    said = b"<html><body>" + b"pl4nted nonsense " * 999 + b"\r\n"
    with lines(lambda read, write: (read.readline(), write.write(said))) as address:
        answer = ask("/", address)
    assert answer.outcome is Outcome.ERROR
    assert len(answer.detail) < 200
    assert "<" not in answer.detail


def test_a_service_without_a_port_cannot_be_asked():
    probe = Service.model_validate({"health": "/"}).health
    answer = ask_probe(probe, Target(None, lambda _: None, no_command))
    assert (answer.outcome, answer.hint) == (Outcome.ERROR, "add `port: NUMBER` to its x-towline")
    assert ask({"port": 9}).detail == "port 9 cannot be reached"


def test_smoke_tests_of_a_service_are_asked_there():
    test = {"path": "/", "contains": "admin"}
    with pages({"/": (200, "web")}) as web, pages({"/": (200, "admin")}) as admin:
        tests = Smoke(
            requests=[HttpSmoke(**test, service=name) for name in ("admin", "web", "lost")],
            retries=0,
        )
        places = {"web": Place(f"http://127.0.0.1:{web[1]}"),
                  "admin": Place(f"http://127.0.0.1:{admin[1]}")}  # fmt: skip
        found = run_smoke(places["web"].url, tests, folder=".", services=places)
    assert [item.answer.healthy for item in found] == [True, False, False]
    assert found[2].answer.detail == "service lost has no port to test"


@pytest.fixture
def proxied(monkeypatch):
    """A proxy that nobody gets through; returns a way to an address that is not loopback."""
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    return lambda address: ("0.0.0.0", address[1])  # as a container is asked


@pytest.mark.parametrize(
    "health", [{"path": "/"}, {"kind": "grafana"}, {"kind": "prometheus", "targets": True}]
)
def test_a_container_is_never_asked_through_a_proxy(proxied, health):
    answers = {"/": (200, ""), "/api/health": (200, {"database": "ok"}), **prometheus(("a", "up"))}
    with pages(answers) as address:
        assert ask(health, proxied(address), in_deploy=False).healthy


def test_smoke_tests_of_a_container_go_by_no_proxy_and_others_do(proxied):
    tests = Smoke(requests=[HttpSmoke(path="/"), HttpSmoke(path="/", service="web")], retries=0)
    with pages({"/": (200, "web")}) as address:
        host, port = proxied(address)
        url = f"http://{host}:{port}"
        services = {"web": Place(url, direct=True)}
        for direct in (True, False):
            found = run_smoke(url, tests, folder=".", direct=direct, services=services)
            assert [item.answer.healthy for item in found] == [direct, True]


# tcp


def test_a_port_that_accepts():
    with lines(lambda read, write: read.readline()) as address:
        answer = ask({"kind": "tcp"}, address)
    assert answer.healthy
    assert answer.detail.startswith("port 8000 accepts")
    # How long it took to connect, not how long was waited afterwards.
    assert answer.seconds < 0.15


@pytest.mark.parametrize("expect", ["", "220"])
def test_a_proxy_that_hangs_up_is_nobody(expect):
    with lines(lambda read, write: None) as address:
        answer = ask({"kind": "tcp", "expect": expect}, address)
    assert answer.outcome is Outcome.ERROR
    assert answer.detail == "port 8000: nothing listens on port 8000 yet"
    assert "health_timeout" in answer.hint
    assert ask({"kind": "tcp"}, ("127.0.0.1", 1)).detail == answer.detail


def test_a_greeting_is_judged():
    def greet(read, write):
        write.write(b"220 mail ")
        write.flush()
        write.write(b"said " + read.readline())

    with lines(greet) as address:
        assert ask({"kind": "tcp", "send": "EHLO me\n", "expect": "EHLO me"}, address).healthy
        other = ask({"kind": "tcp", "expect": "SSH-2.0", "timeout": "100ms"}, address)
    assert other.outcome is Outcome.FAILURE
    assert other.detail == "port 8000: answered '220 mail', wanted 'SSH-2.0'"


# websocket


def test_a_websocket_opens_and_answers():
    def handle(socket):
        for said in socket:
            socket.send(f"{said} back")

    with serve(handle, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        address = running.socket.getsockname()
        good = ask({"kind": "websocket", "send": "a", "expect": "a back"}, address)
        bad = ask({"kind": "websocket", "send": "a", "expect": "z"}, address)
        running.shutdown()
        thread.join()
    assert good.healthy
    assert bad.detail == "WebSocket /: answered 'a back', wanted 'z'"
    with serve(handle, "127.0.0.1", 0, process_request=lambda c, _: c.respond(403, "")) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        refused = ask({"kind": "websocket"}, running.socket.getsockname())
        running.shutdown()
        thread.join()
    assert refused.outcome is Outcome.FAILURE
    assert refused.detail == "WebSocket /: no WebSocket: 403"
    nobody = ask({"kind": "websocket"}, ("127.0.0.1", 1))
    assert nobody.detail == "WebSocket /: nothing listens on port 8000 yet"


# redis


def redis(replies, password=""):
    """A server of RESP; `replies` has command -> what is sent."""

    def talk(read, write):
        known = not password
        while line := read.readline():
            words = []
            for _ in range(int(line[1:])):
                words.append(read.read(int(read.readline()[1:])).decode())
                read.readline()
            said = replies.get(words[0], b"-ERR unknown command\r\n")
            if words[0] == "AUTH":
                known = words[1] == password
                said = b"+OK\r\n" if known else b"-WRONGPASS invalid username-password pair\r\n"
            elif not known:
                said = b"-NOAUTH Authentication required.\r\n"
            if words[0] == "PING" and replies.get("slow"):
                time.sleep(replies["slow"])
            write.write(said)
            write.flush()

    return lines(talk)


MASTER = {"PING": b"+PONG\r\n", "ROLE": b"*3\r\n$6\r\nmaster\r\n:10\r\n*0\r\n"}
FOLLOWED = {
    **MASTER,
    "ROLE": b"*3\r\n$6\r\nmaster\r\n:1\r\n*1\r\n*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n1\r\n",
}
CUT = {**MASTER, "ROLE": b"*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$7\r\nconnect\r\n:0\r\n"}


def test_redis_answers_and_has_its_role():
    with redis(MASTER) as address:
        answer = ask({"kind": "redis"}, address)
        wrong = ask({"kind": "redis", "role": "replica"}, address)
    assert answer.healthy
    assert answer.detail.startswith("PONG in ")
    assert answer.detail.endswith("ms, master")
    assert wrong.detail == "is master, wanted replica"
    with redis(FOLLOWED) as address:
        assert ask({"kind": "redis"}, address).detail.endswith("master of 1 replicas")
    with redis(CUT) as address:
        cut = ask({"kind": "redis"}, address)
    assert cut.outcome is Outcome.FAILURE
    assert "is a replica whose link to its master is 'connect'" in cut.detail


def test_the_password_of_redis_is_the_containers_and_is_never_told():
    asked = []

    def run(argv, timeout):
        asked.append(argv)
        values = {"REDISCLI_AUTH": "p4ss-w0rd-1", "OTHER": "wr0ng-w0rd-2"}
        value = values.get(argv[1], "")
        return Result(tuple(argv), 0 if value else 1, f"{value}\n" if value else "", "")

    with redis(MASTER, "p4ss-w0rd-1") as address:
        assert ask({"kind": "redis"}, address, run).healthy
        assert asked == [["printenv", "REDISCLI_AUTH"]]
        assert ask({"kind": "redis", "password": "REDISCLI_AUTH"}, address, run).healthy
        wrong = ask({"kind": "redis", "password": "OTHER"}, address, run)
    assert KNOWN.redact("p4ss-w0rd-1") != "p4ss-w0rd-1"
    assert wrong.outcome is Outcome.ERROR
    assert wrong.detail.startswith("WRONGPASS")
    with redis(MASTER, "an0ther-0ne") as address:
        none = ask({"kind": "redis"}, address, lambda argv, _: Result(tuple(argv), 1, "", ""))
    assert none.detail == "NOAUTH Authentication required."
    assert "`password: NAME`" in none.hint


def test_redis_that_loads_or_is_slow_or_is_none():
    loading = {"PING": b"-LOADING Redis is loading the dataset in memory\r\n"}
    with redis(loading) as address:
        assert ask({"kind": "redis"}, address).outcome is Outcome.INCONCLUSIVE
    with redis({**MASTER, "slow": 0.03}) as address:
        slow = ask({"kind": "redis", "max_time": "10ms"}, address)
    assert slow.outcome is Outcome.FAILURE
    assert slow.detail.endswith("limit 10 ms")
    with redis({**MASTER, "slow": 0.3}) as address:
        silent = ask({"kind": "redis", "timeout": "50ms"}, address)
    assert (silent.outcome, silent.detail) == (Outcome.ERROR, "no whole answer within 0.05 s")
    with lines(lambda read, write: write.write(b"HTTP/1.1 400 Bad\r\n")) as address:
        other = ask({"kind": "redis"}, address)
    assert "does not speak the protocol of Redis" in other.detail


# prometheus and grafana


def prometheus(*targets, down=()):
    active = [
        {"labels": {"job": "api", "instance": name}, "health": health, "lastError": "refused",
         "scrapeInterval": "1m30s"}
        for name, health in targets
    ]  # fmt: skip
    result = [{"metric": {"job": "api", "instance": name}} for name in down]
    return {
        "/-/ready": (200, "ready"),
        "/api/v1/targets": (200, {"data": {"activeTargets": active}}),
        "/api/v1/query": (200, {"data": {"result": result}}),
    }


def test_prometheus_and_its_targets():
    with pages(prometheus(("a:1", "up"), ("b:1", "unknown"), ("c:1", "down"))) as address:
        answer = ask({"kind": "prometheus"}, address, in_deploy=False)
    assert answer.healthy
    assert answer.detail == "ready, 1 of 3 targets up, 2 not known yet"
    seen = prometheus(("a:1", "up"), ("c:1", "down"), down=["c:1", "z:1"])
    with pages(seen) as address:
        down = ask({"kind": "prometheus"}, address, in_deploy=False)
        # A deploy may be what repairs it.
        assert ask({"kind": "prometheus"}, address).healthy
        assert ask({"kind": "prometheus", "targets": False}, address, in_deploy=False).healthy
    assert down.outcome is Outcome.FAILURE
    assert down.detail == "1 of 2 targets are down: api c:1 (refused)"
    with pages({"/-/ready": (503, "Service Unavailable")}) as address:
        early = ask({"kind": "prometheus"}, address)
    assert early.detail == "/-/ready: 503, wanted 200: Service Unavailable"
    with pages({"/-/ready": (200, ""), "/api/v1/targets": (200, "what?")}) as address:
        assert ask({"kind": "prometheus"}, address, in_deploy=False).outcome is Outcome.ERROR


def test_grafana_has_its_database():
    with pages({"/g/api/health": (200, {"database": "ok"})}) as address:
        assert ask({"kind": "grafana", "prefix": "/g"}, address).healthy
    with pages({"/api/health": (200, {"database": "failing"})}) as address:
        bad = ask({"kind": "grafana"}, address)
    assert bad.detail == "/api/health: database is 'failing', wanted 'ok'"


# command and postgres: processes of this machine stand for those of a container


def here(path="", **environment):
    def run(argv, timeout):
        given = {"PATH": f"{path}:{os.environ['PATH']}", **environment}
        try:
            done = subprocess.run(
                argv, env=given, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"did not end within {timeout:g} s") from None
        return Result(tuple(argv), done.returncode, done.stdout, done.stderr)

    return run


def test_a_command_is_judged_by_its_code_and_its_words():
    def command(text, **more):
        return ask({"kind": "command", "command": ["sh", "-c", text], **more}, run=here())

    assert command("echo fine").healthy
    bad = command("echo no table >&2; exit 3")
    assert (bad.outcome, bad.detail) == (Outcome.FAILURE, "sh: exit code 3: no table")
    assert command("echo fine", contains="great").detail == "sh: 'great' is not in: fine"
    slow = command("sleep 1", timeout="50ms")
    assert (slow.outcome, slow.detail) == (Outcome.ERROR, "sh: did not end within 0.05 s")


def psql(folder, script):
    """A psql that notes what it is given."""
    folder.mkdir(exist_ok=True)
    file = folder / "psql"
    file.write_text(
        "#!/bin/sh\n"
        f'printf "%s\\n" "$@" >"{folder}/given"; printf "%s" "$PGPASSWORD" >"{folder}/password"\n'
        f"{script}\n"
    )
    file.chmod(0o755)
    return str(folder)


def test_a_query_is_timed_by_psql_itself(tmp_path):
    folder = psql(tmp_path / "bin", "echo 1; echo 'Time: 12.345 ms'")
    run = here(folder, POSTGRES_USER="shop", POSTGRES_DB="news", POSTGRES_PASSWORD="s3cret")
    answer = ask({"kind": "postgres", "query": "select 'x y'"}, run=run)
    assert (answer.healthy, answer.seconds) == (True, pytest.approx(0.012345))
    assert answer.detail == "select 'x y': 12.3 ms"
    given = (tmp_path / "bin/given").read_text().splitlines()
    assert given[given.index("-U") + 1] == "shop"
    assert given[given.index("-d") + 1] == "news"
    assert "select 'x y'" in given
    assert "set statement_timeout = 1000" in given
    assert (tmp_path / "bin/password").read_text() == "s3cret"
    assert "s3cret" not in given
    slow = ask({"kind": "postgres", "max_time": "10ms"}, run=run)
    assert (slow.outcome, slow.detail) == (Outcome.FAILURE, "select 1: took 12 ms, limit 10 ms")


@pytest.mark.parametrize(
    ("script", "outcome", "said"),
    [
        ('echo "psql: error: FATAL: the database system is starting up" >&2; exit 2',
         Outcome.INCONCLUSIVE, "FATAL: the database system is starting up"),
        ('echo "psql: error: connection refused" >&2; exit 2', Outcome.ERROR, "connection refused"),
        ('echo "ERROR: canceling statement due to statement timeout" >&2; exit 1',
         Outcome.FAILURE, "ERROR: canceling statement due to statement timeout"),
        ("sleep 1", Outcome.ERROR, "psql: did not end within 0.2 s"),
    ],
)  # fmt: skip
def test_what_psql_says_is_told(tmp_path, script, outcome, said):
    run = here(psql(tmp_path / "bin", script))
    answer = ask({"kind": "postgres", "timeout": "200ms"}, run=run)
    assert (answer.outcome, answer.detail) == (outcome, said)


def test_an_image_without_psql_says_so():
    answer = ask({"kind": "postgres"}, run=lambda argv, _: Result(tuple(argv), 127, "", "no psql"))
    assert (answer.outcome, answer.hint) == (Outcome.ERROR, "use `kind: command`")


# guesses, and how long a container has been up


@pytest.mark.parametrize(
    ("image", "service", "kind"),
    [
        ("postgres:15", "db", "postgres"),
        ("docker.io/timescale/timescaledb:2.15-pg16", "db", "postgres"),
        ("redis@sha256:0a", "cache", "redis"),
        ("valkey/valkey:8", "cache", "redis"),
        ("prom/prometheus:v2.54.1", "metrics", "prometheus"),
        ("registry.example:5000/grafana/grafana:11", "charts", "grafana"),
        ("sha256:00ff", "redis", "redis"),
        ("ghcr.io/acme/redis-exporter:1", "redis", None),
        ("mysql:8", "postgres", None),
        ("sha256:00ff", "db", None),
    ],
)
def test_a_probe_is_guessed_by_the_name_of_an_image(image, service, kind):
    found = guess_probe(image, service)
    assert (found.kind if found else None) == kind


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        ("Up Less than a second", 0), ("Up 5 seconds (health: starting)", 5),
        ("Up About a minute", 60), ("Up 3 minutes (healthy)", 180), ("Up About an hour", 3600),
        ("Up 2 days", 172800), ("Up 2 months", 5184000), ("Exited (0) 5 minutes ago", None),
    ],
)  # fmt: skip
def test_how_long_a_container_is_up(status, seconds):
    assert parse_uptime(status) == seconds
