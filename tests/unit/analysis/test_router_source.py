import json

import pytest

from towline.analysis.requests import STEP, RequestHistory
from towline.analysis.sources import router
from towline.analysis.sources.base import SourceContext, SourceError, Window, find_sources
from towline.analysis.sources.router import METRICS, RouterSource
from towline.errors import TowlineError
from towline.routing.request_log import parse_line
from towline.routing.request_reader import LogPart, LogPosition


def line(at, *, slot="green", status=200, seconds=0.1):
    data = {
        "time": at, "slot": slot, "release": "1.0.0", "service": "web", "status": status,
        "upstream_status": str(status), "request_time": seconds,
        "upstream_response_time": str(seconds), "request_id": f"{at}-{seconds}", "bytes": 100,
    }  # fmt: skip
    return json.dumps(data).encode()


class Engine:
    """A router's log, as an engine gives it out."""

    def __init__(self):
        self.lines, self.read, self.why, self.missing = [b"before"], [], None, False
        self.clock = 0.0

    def requests(self, after=None):
        if self.why:
            raise self.why
        start = len(self.lines) if after is None else after.offset
        self.read.append(start)
        part = tuple(self.lines[start:])
        return LogPart(part, LogPosition(b"", len(self.lines)), 0, self.missing, self.clock)


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def source(engine):
    made = RouterSource(SourceContext(engine, {}))
    made.refresh()
    return made


def test_the_kinds_of_sources_are_found_by_their_files():
    assert find_sources()["router"].metrics == METRICS


def test_figures_are_those_of_the_slot_and_of_the_window(engine, source):
    engine.lines += [line(1000 + n, status=503 if n % 10 == 0 else 200) for n in range(50)]
    engine.lines += [line(1000 + n, slot="blue", seconds=2.0) for n in range(50)]
    engine.lines += [line(1200, status=500)]
    window = Window(1000, 1049)
    errors = source.read("errors", "green", window)
    assert (errors.value, errors.count, errors.unit) == (10.0, 50, "%")
    assert errors.values == {0.0: 45, 1.0: 5}
    assert source.read("rate", "green", Window(1000, 1050)).value == pytest.approx(1.0)
    assert source.read("p95", "blue", window).value == pytest.approx(2.0, rel=0.01)
    assert source.read("p95", "green", window).value == pytest.approx(0.1, rel=0.01)
    assert source.read("mean", "green", window).value == pytest.approx(0.1)
    assert source.read("client_errors", "green", window).value == 0.0


def test_no_requests_are_no_figure(source):
    for metric in ("errors", "p95", "mean"):
        found = source.read(metric, "green", Window(0, 10))
        assert (found.value, found.count) == (None, 0)


def test_nothing_is_read_twice(engine, source):
    engine.lines += [line(1000)]
    assert source.read("errors", "green", Window(0, 2000)).count == 1
    engine.lines += [line(1001), b"{half"]
    assert source.read("errors", "green", Window(0, 2001)).count == 2
    # What is asked about one window is one reading.
    assert source.read("p95", "green", Window(0, 2001)).count == 2
    assert engine.read == [1, 1, 2]
    assert source.broken == 1


def test_a_websocket_is_a_request_and_its_hours_are_no_latency(engine, source):
    engine.lines += [line(1000, status=101, seconds=7200.0), line(1000, seconds=0.2)]
    assert source.read("rate", "green", Window(1000, 1001)).count == 2
    assert source.read("p99", "green", Window(1000, 1001)).value == pytest.approx(0.2, rel=0.01)


def test_above_a_rate_requests_are_sampled_and_that_is_said(engine, source, monkeypatch):
    monkeypatch.setattr(router, "MOST", 1_000)
    engine.lines += [
        line(1000 + n / 4000, status=500 if n % 20 == 0 else 200) for n in range(4_000)
    ]
    window = Window(1000, 1001)
    errors = source.read("errors", "green", window)
    assert errors.note == "1 in 4 requests read"
    assert errors.value == pytest.approx(5.0, abs=2.0)
    assert source.read("rate", "green", window).value == pytest.approx(4_000, rel=0.15)
    # Nothing is surer than what was read.
    assert errors.count == sum(errors.values.values()) == pytest.approx(1_000, rel=0.15)


def test_requests_that_nobody_read_are_told(engine, source):
    engine.missing = True
    assert "lost" in source.read("errors", "green", Window(0, 1)).note


def test_a_router_that_cannot_be_asked_is_an_error_of_the_source(engine, source):
    engine.why = TowlineError("the router keeps no request log", remedy="do this")
    with pytest.raises(SourceError, match="router: the router keeps no") as error:
        source.read("errors", "green", Window(0, 1))
    assert error.value.remedy == "do this"
    engine.why = None
    with pytest.raises(SourceError, match="unknown metric"):
        source.read("p42", "green", Window(0, 1))


def test_a_router_whose_clock_is_wrong_is_understood(engine, source):
    source.clock, engine.clock = lambda: 1000.0, 4600.0
    engine.lines += [line(4599.0)]
    assert source.read("errors", "green", Window(990, 1000)).count == 1


def test_what_is_too_old_is_forgotten():
    history = RequestHistory(keep=60)
    for at in range(0, 6000, 5):
        history.add([parse_line(line(at))])
    assert len(history._buckets) <= 60 / STEP + 2
    assert history.total("green", Window(5950, 6000)).count == 10
    assert [item.count for item in history.series("green", Window(5990, 6004))] == [1, 1, 0]
    assert history.total("green", Window(0, 5000)).count == 0
