import json
from types import SimpleNamespace

import pytest
from fakes import FakeHostEnvironment
from shapes import assert_shape

from towline.analysis.sources.base import SourceError
from towline.environments.host_environment import Fleet
from towline.insight.canary import TrafficView
from towline.tasks import canary


def line(at, slot, status, seconds):
    data = {
        "time": at, "slot": slot, "release": "x", "service": "api", "status": status,
        "upstream_status": str(status), "request_time": seconds,
        "upstream_response_time": str(seconds), "request_id": str(at), "bytes": 1,
    }  # fmt: skip
    return json.dumps(data).encode()


@pytest.fixture
def site(tmp_path):
    made = FakeHostEnvironment(tmp_path)
    made.serve(made.keep("1.0.0"))
    made.keep("1.1.0")
    made.engine.containers["green", "api"] = ("1.1.0", True)
    made.engine.shares = {"blue": 90, "green": 10}
    made.engine.logged = [
        *(line(1000 + n / 2, "blue", 200, 0.1) for n in range(100)),
        *(line(1030 + n, "green", 500 if n % 4 == 0 else 200, 0.4) for n in range(20)),
    ]
    return made


def view(*sites):
    return TrafficView(Fleet(sites), 60.0, clock=lambda: 1059.0)


def test_it_shows_both_slots_as_they_are_now(site):
    looked = view(site)
    blue, green = looked.look().slots
    assert (blue.slot, blue.release, blue.share, blue.requests) == ("blue", "1.0.0", 90, 100)
    assert (green.slot, green.release, green.share) == ("green", "1.1.0", 10)
    assert green.errors == 25.0
    assert green.p95 == pytest.approx(0.4, rel=0.01)
    assert green.rates[-1] == 0.0
    assert len(green.p95s) == len(green.rates) == 13
    assert canary.spark(green) == " " * 7 + "████" + "  "
    # What is new is added, and nothing is read twice.
    site.engine.logged.append(line(1058, "green", 200, 0.4))
    assert looked.look().slots[1].requests == 21


def test_hosts_are_one(site, tmp_path):
    other = FakeHostEnvironment(tmp_path / "other", host_name="web2")
    other.serve(other.keep("1.0.0"))
    other.engine.logged = [line(1001, "blue", 500, 0.1)] * 100
    both = view(site, other)
    both.fleet.lead.rollout = SimpleNamespace(concurrency=2)
    blue = both.look().slots[0]
    assert (blue.requests, blue.errors, blue.share) == (200, 50.0, 100)


def test_its_json_has_its_shape(site):
    assert_shape({"schema": "towline.canary/1", **view(site).look().data("prod")})


def test_a_line_fits_the_terminal(site, monkeypatch):
    found = view(site).look()
    monkeypatch.setattr(canary.terminal, "width", lambda: 60)
    assert canary.line(found).startswith("blue 1.0.0 90 %: 1.7/s, errors 0 %, p95 ")
    assert len(canary.line(found)) == 59


def test_a_router_without_a_log_is_told(site):
    site.engine.keeps_log = False
    with pytest.raises(SourceError, match="keeps no request log"):
        view(site).look()
