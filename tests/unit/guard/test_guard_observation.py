"""What the guard sees of an environment, on an engine in memory."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from towline.engines.observed import ObservedState
from towline.environments.host_environment import Away, Fleet
from towline.guard.observation import look_at

sys.path.insert(0, str(Path(__file__).parents[1] / "rollout"))

from fakes import FakeHostEnvironment


@pytest.fixture
def site(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0"))
    return site


def seen(site):
    found = look_at(Fleet((site,)), 7.0)
    return found, {item.service: item for item in found.services}


def test_all_that_serves_is_looked_at_and_jobs_are_not(site):
    site.engine.containers["green", "api"] = ("0.9.0", False)
    found, services = seen(site)
    assert (found.at, found.release) == (7.0, "1.0.0")
    assert set(services) == {"api", "worker", "db", "nginx"}
    assert all(item.up and item.outcome == "healthy" for item in services.values())


def test_a_container_that_stopped_or_is_missing_is_down(site):
    site.engine.containers["blue", "api"] = ("1.0.0", False)
    del site.engine.containers["blue", "worker"]
    services = seen(site)[1]
    assert not services["api"].up
    assert services["api"].is_bad
    assert services["worker"].detail == "0 of 1 containers exist"
    assert not services["worker"].up


def test_while_a_deploy_is_paused_only_what_exists_is_judged(site):
    del site.engine.containers["blue", "worker"]
    del site.engine.persistent["db"]
    site.engine.containers["blue", "api"] = ("1.0.0", False)
    data = {"kind": "deploy", "release": "1.1.0", "before": "1.0.0", "live": "1.0.0"}
    site.journal.write("x", "begin", data=data)
    services = seen(site)[1]
    assert "worker" not in services
    assert services["db"].detail == "0 of 1 containers exist"
    assert not services["api"].up
    site.journal.write("x", "end", data={"ok": True})
    assert seen(site)[1]["worker"].detail == "0 of 1 containers exist"


def test_a_host_on_which_nothing_is_live_is_named(tmp_path):
    sites = [FakeHostEnvironment(tmp_path / name, host_name=name) for name in ("web1", "web2")]
    assert look_at(Fleet(tuple(sites)), 0).away == ()
    sites[1].serve(sites[1].keep("1.0.0"))
    found = look_at(Fleet(tuple(sites)), 0)
    assert (found.release, found.away) == ("1.0.0", ("web1: nothing is live there",))


def test_a_router_that_serves_nobody_is_down(site):
    site.engine.failure_reason_of_router = "it answers nobody on port 8080"
    router = seen(site)[1]["nginx"]
    assert not router.up
    assert router.detail == "it answers nobody on port 8080"


def test_where_nothing_is_live_nothing_is_watched(tmp_path):
    found, services = seen(FakeHostEnvironment(tmp_path))
    assert (found.release, services) == ("", {})


def test_a_host_that_is_away_says_nothing_against_a_release(tmp_path):
    sites = []
    for name in ("web1", "web2"):
        sites.append(FakeHostEnvironment(tmp_path / name, host_name=name))
        sites[-1].remote = True
        sites[-1].serve(sites[-1].keep("1.0.0"))

    def gone():
        raise ConnectionError("no route")

    sites[1].engine.observe = gone
    found = look_at(Fleet(tuple(sites), (Away("web3", "left out"),)), 0)
    assert found.away == ("web3: left out", "web2: no route")
    assert {item.host for item in found.services} == {"web1"}
    assert found.services[0].label == "api on web1"


@pytest.mark.parametrize(
    ("status", "young"),
    [("Up Less than a second", True), ("Up 1 second", True), ("Up 59 seconds (unhealthy)", True),
     ("Up About a minute", False), ("Up 3 hours", False), ("Exited (1) 5 seconds ago", False)],
)  # fmt: skip
def test_what_just_began_is_young(site, monkeypatch, status, young):
    site.rollout = site.rollout.model_copy(update={"health_timeout": 60.0})
    site.engine.containers["blue", "api"] = ("1.0.0", not status.startswith("Exited"))
    observed = site.engine.observe()
    changed = tuple(replace(item, status=status) for item in observed.containers)
    monkeypatch.setattr(site.engine, "observe", lambda: ObservedState(changed))
    assert seen(site)[1]["api"].is_young is young
