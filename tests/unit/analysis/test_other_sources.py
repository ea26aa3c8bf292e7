import base64
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from memory_engine import MemoryEngine

from towline.analysis.sources.base import SourceContext, SourceError, Window, find_sources
from towline.analysis.sources.command import CommandSource
from towline.analysis.sources.containers import ContainersSource
from towline.analysis.sources.logs import LogsSource
from towline.analysis.sources.prometheus import PrometheusSource, filled_in, parse_answer
from towline.engines.compose.engine import ComposeEngine
from towline.engines.usage import Usage
from towline.hosts.engine_client import refused
from towline.hosts.local import LocalHost
from towline.state.releases import StateFolder

WINDOW = Window(1000.0, 1060.0)


@pytest.fixture
def engine(tmp_path):
    made = MemoryEngine(LocalHost(), StateFolder(tmp_path), "shop", "local")
    made.containers["green", "web"] = ("1.1.0", True)
    made.replicas["green", "web"] = 2
    made.roles["web"] = "app"
    return made


def context(engine=None, **settings):
    return SourceContext(engine, {"green": "1.1.0"}, settings)


def test_each_file_is_a_kind_of_source():
    assert set(find_sources()) >= {"router", "containers", "prometheus", "logs", "command"}


class TestContainers:
    def use(self, engine, source, at, **figures):
        self.now = at
        for number in (1, 2):
            given = {"cpu": 0.0, "memory": 100, "restarts": 0, "oom": 0, **figures}
            cpu = given["cpu"] if number == 1 else 0.0
            engine.used[f"green-web-{number}"] = Usage(
                cpu, 2.0, given["memory"] * number, 1000, given["restarts"], given["oom"], at
            )
        return lambda metric: source.read(metric, "green", Window(1000, at)).value

    @pytest.fixture
    def source(self, engine):
        return ContainersSource(context(engine), clock=lambda: self.now)

    def test_cpu_is_a_share_of_the_cores_that_it_may_use(self, engine, source):
        assert self.use(engine, source, 1000.0, cpu=5.0)("cpu") is None
        assert self.use(engine, source, 1010.0, cpu=15.0)("cpu") == pytest.approx(50.0)
        # It started anew: what is between is nobody's.
        assert self.use(engine, source, 1020.0, cpu=1.0)("cpu") == pytest.approx(50.0)
        assert self.use(engine, source, 1030.0, cpu=21.0)("cpu") == pytest.approx(75.0)

    def test_memory_is_that_of_the_largest(self, engine, source):
        assert self.use(engine, source, 1000.0, memory=300)("memory") == pytest.approx(60.0)

    def test_restarts_and_kills_are_those_of_the_window(self, engine, source):
        self.use(engine, source, 990.0, restarts=1)("restarts")
        assert self.use(engine, source, 1010.0, restarts=2, oom=1)("restarts") == 2.0
        assert source.read("oom_kills", "green", Window(1000, 1010)).value == 2.0

    def test_an_engine_without_statistics_is_an_error(self, engine, source):
        self.now = 1000.0
        for number in (1, 2):
            engine.used[f"green-web-{number}"] = Usage(None, 2.0, None, 0, 1, 0, 1000.0)
        assert source.read("restarts", "green", WINDOW).value == 0.0
        for metric in ("cpu", "memory"):
            with pytest.raises(SourceError, match="no statistics"):
                source.read(metric, "green", WINDOW)

    def test_an_empty_slot_has_no_figure(self, engine, source):
        self.now = 1000.0
        assert source.read("cpu", "blue", WINDOW).count == 0

    def test_an_engine_that_cannot_be_asked_is_an_error(self, engine, source):
        self.now = 1000.0
        engine.observe = lambda: (_ for _ in ()).throw(OSError("refused"))
        with pytest.raises(SourceError, match="refused"):
            source.read("cpu", "green", WINDOW)
        with pytest.raises(SourceError, match="unknown metric"):
            source.read("heat", "green", WINDOW)


@contextmanager
def prometheus():
    """Its API: the port, and what was asked, with which login."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            body = b'{"status": "error", "error": "parse error"}'
            if "good" in self.path:
                body = (b'{"status": "success", "data": {"resultType": "scalar", '
                        b'"result": [1, "3"]}}')  # fmt: skip
            self.send_response(200 if "good" in self.path else 400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()


class TestPrometheus:
    def test_variables_are_filled_in_and_other_dollars_stay(self):
        given = 'rate(x{slot="$slot",release="$release",path=~"/a$"}[$window])'
        found = filled_in(given, slot="green", release="1.1.0", window="60s")
        assert found == 'rate(x{slot="green",release="1.1.0",path=~"/a$"}[60s])'

    def test_one_number_is_a_figure_and_none_is_no_data(self):
        vector = {"data": {"resultType": "vector", "result": [{"value": [1, "0.25"]}]}}
        assert parse_answer("mine", vector).value == 0.25
        vector["data"]["result"] = []
        assert parse_answer("mine", vector).count == 0
        scalar = {"data": {"resultType": "scalar", "result": [1, "NaN"]}}
        assert parse_answer("mine", scalar).value is None

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            ({"data": {"resultType": "matrix", "result": []}}, "matrix"),
            ({"data": {"resultType": "vector", "result": [{"value": [1, "1"]}] * 2}}, "2 series"),
            ({"data": {"resultType": "vector", "result": [{}]}}, "unreadable"),
            ([], "unreadable"),
        ],
    )
    def test_what_is_no_number_is_an_error(self, data, said):
        with pytest.raises(SourceError, match=said):
            parse_answer("mine", data)

    def test_it_asks_the_api_and_tells_what_that_refuses(self, engine):
        with prometheus() as (port, asked):
            url = f"http://127.0.0.1:{port}/"
            source = PrometheusSource(context(query="good", url=url))
            assert source.read("mine", "green", WINDOW).value == 3.0
            assert asked == [("/api/v1/query?query=good&time=1060.000", None)]
            with pytest.raises(SourceError, match="parse error: bad"):
                PrometheusSource(context(query="bad", url=url)).read("mine", "green", WINDOW)
        with pytest.raises(SourceError, match="prometheus: "):
            PrometheusSource(context(query="bad", url=url)).read("mine", "green", WINDOW)
        with pytest.raises(SourceError, match="no container of service metrics runs"):
            PrometheusSource(context(engine, service="metrics")).read("mine", "green", WINDOW)

    def test_a_container_is_not_asked_through_a_proxy_and_an_address_is(self, engine, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with prometheus() as (port, _):
            engine.address = lambda item, wanted: ("127.0.0.1", port)
            found = PrometheusSource(context(engine, query="good", service="web"))
            assert found.read("mine", "green", WINDOW).value == 3.0
            by_url = PrometheusSource(context(query="good", url=f"http://127.0.0.1:{port}"))
            with pytest.raises(SourceError, match="refused"):
                by_url.read("mine", "green", WINDOW)

    def test_a_password_in_its_address_is_sent_and_never_told(self):
        with prometheus() as (port, asked):
            url = f"http://admin:s3%40cret@127.0.0.1:{port}/t0ken/"
            settings = {"query": "good", "url": url}
            assert PrometheusSource(context(**settings)).read("mine", "green", WINDOW).value == 3.0
        ((path, login),) = asked
        assert path.startswith("/t0ken/api/v1/query?")
        assert login == f"Basic {base64.b64encode(b'admin:s3@cret').decode()}"
        for given in (url, "http://admin:s3/cret@127.0.0.1", "admin:s3cret@127.0.0.1:1"):
            with pytest.raises(SourceError) as told:
                PrometheusSource(context(query="bad", url=given)).read("mine", "green", WINDOW)
            said = f"{told.value} {told.value.remedy}"
            assert not [word for word in ("s3", "cret", "t0ken") if word in said]
            if given == url:
                assert f"prometheus: http://127.0.0.1:{port}: " in said


def test_matching_lines_are_counted_by_the_minute(engine):
    engine.printed["green-web-1"] = ["all is well", "an ERROR came", "Traceback (most recent"]
    found = LogsSource(context(engine)).read("log_matches", "green", Window(0, 120))
    assert (found.value, found.count, found.unit) == (1.0, 2, "/min")
    only = LogsSource(context(engine, pattern="well$", service="web"))
    assert only.read("log_matches", "green", Window(0, 60)).value == 1.0
    assert LogsSource(context(engine)).read("log_matches", "blue", WINDOW).value is None


def test_lines_that_cannot_be_read_are_an_error_and_not_none(engine, tmp_path, monkeypatch):
    def refuse(*arguments, **named):
        raise refused("web1", "configured logging driver does not support reading", 501)

    api = SimpleNamespace(logs=refuse, info=lambda: {"SystemTime": "2026-01-01T00:00:00Z"})
    monkeypatch.setattr(ComposeEngine, "_api", api)
    real = ComposeEngine(LocalHost(), StateFolder(tmp_path), "shop", "prod")
    said = "configured logging driver does not support reading"
    assert real.logs(engine.observe().of("green")[0], 5) == [f"(no logs: {said})"]
    engine.logs = real.logs
    with pytest.raises(SourceError, match=f"logs: the engine of web1 refused: {said}"):
        LogsSource(context(engine)).read("log_matches", "green", WINDOW)


class TestCommand:
    def read(self, folder, code, **settings):
        given = {"command": ["python", "-c", code], **settings}
        made = SourceContext(None, {"green": "1.1.0"}, given, folder=folder)
        return CommandSource(made).read("mine", "green", WINDOW)

    def test_its_exit_code_counts_unless_it_prints_a_figure(self, tmp_path):
        assert self.read(tmp_path, "raise SystemExit(3)").value == 3.0
        assert self.read(tmp_path, "print('checked 3 things')").value == 0.0
        assert self.read(tmp_path, "print(0.5)").value == 0.5
        found = self.read(tmp_path, """print('{"value": 1.5, "count": 40}')""")
        assert (found.value, found.count) == (1.5, 40)
        assert self.read(tmp_path, """print('{"value": null}')""").count == 0

    def test_it_knows_what_it_is_asked_about(self, tmp_path):
        said = (
            "import os; print(float(os.environ['TOWLINE_WINDOW']) + "
            "(os.environ['TOWLINE_SLOT'], os.environ['TOWLINE_RELEASE']).count('green'))"
        )
        assert self.read(tmp_path, said).value == 61.0

    def test_what_cannot_be_run_or_says_two_things_is_an_error(self, tmp_path):
        with pytest.raises(SourceError, match="code 2"):
            self.read(tmp_path, "print(1); raise SystemExit(2)")
        with pytest.raises(SourceError, match="nowhere"):
            self.read(tmp_path, "", command=["/nowhere"])
        with pytest.raises(SourceError, match="no `command`"):
            self.read(tmp_path, "", command=[])
        with pytest.raises(SourceError, match="timed out"):
            self.read(tmp_path, "import time; time.sleep(9)", timeout=0.05)
