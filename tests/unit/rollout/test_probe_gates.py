"""How gates ask the probes of services: how often, from when on, and which of them count."""

from dataclasses import replace

import pytest
from fakes import SERVICES, FakeHostEnvironment

from towline.config.deploy_sections import HttpSmoke, Smoke
from towline.config.services import Role
from towline.engines.observed import Container
from towline.environments.host_environment import Fleet
from towline.health.probes import Answer, Outcome
from towline.insight import health as insight
from towline.rollout.gates import bake, containers, health, smoke
from towline.rollout.gates.base import GateContext, GateOutcome
from towline.rollout.serving import container_answer

BAD = ["sh", "-c", "exit 3"]
GOOD = ["sh", "-c", "exit 0"]


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (health, bake):
        monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(containers.Pace.__init__, "__defaults__", (made.monotonic,))
    return made


@pytest.fixture
def site(tmp_path):
    return FakeHostEnvironment(tmp_path)


def served(site, probe, role="api", version="1.0.0"):
    """A context about a live release whose service has a probe."""
    services = {**SERVICES, role: {**SERVICES[role], "health": probe}}
    made = site.serve(site.keep(version, services=services))
    slot = "blue" if role == "api" else ""
    return GateContext(site.engine, made, slot, site.folder, lambda: None)


def count(site):
    """Probes that are run from now on."""
    asked = []
    run = site.engine.run_probe

    def note(item, argv, timeout):
        asked.append(item.name)
        return run(item, argv, timeout)

    site.engine.run_probe = note
    return asked


def test_a_probe_is_asked_no_more_often_than_its_interval(site, clock):
    asked = count(site)
    context = served(site, {"kind": "command", "command": BAD, "interval": "2s"})
    verdict = health.Health(10.0).check(context)
    assert verdict.outcome is GateOutcome.FAIL
    assert 5 <= len(asked) <= 6
    asked.clear()
    context = served(site, {"kind": "command", "command": BAD, "interval": 0.0}, version="1.0.1")
    health.Health(1.0).check(context)
    assert len(asked) > 15


def test_one_bad_answer_is_one_bad_round_of_a_bake(site, clock):
    context = served(site, {"kind": "command", "command": BAD, "interval": "1s"})
    verdict = bake.Bake(1.9, max_failures=2).check(context)
    assert (verdict.outcome, verdict.figures["failed"]) == (GateOutcome.PASS, 2)
    verdict = bake.Bake(2.9, max_failures=2).check(context)
    assert verdict.outcome is GateOutcome.FAIL
    assert "3 rounds in a row failed" in verdict.text
    assert "sh: exit code 3" in verdict.text


def test_the_time_of_the_gate_begins_after_the_start_period(site, clock):
    context = served(site, {"kind": "command", "command": BAD, "start_period": "30s"})
    began = clock.now
    verdict = health.Health(10.0).check(context)
    assert verdict.outcome is GateOutcome.FAIL
    assert 40.0 < clock.now - began < 41.0
    # What died is not waited for.
    site.engine.containers["blue", "api"] = ("1.0.0", False)
    began = clock.now
    verdict = health.Health(10.0).check(context)
    assert "exited" in verdict.text
    assert clock.now - began < 1.0


@pytest.mark.parametrize(
    ("start_period", "outcome"), [("60s", Outcome.INCONCLUSIVE), ("2s", Outcome.ERROR)]
)
def test_what_still_starts_is_told_from_what_fails(site, monkeypatch, start_period, outcome):
    context = served(site, {"kind": "tcp", "start_period": start_period})
    # Nobody listens there, and the container is up for five seconds.
    monkeypatch.setattr(site.engine, "address", lambda item, port: ("127.0.0.1", 1))
    (item,) = site.engine.observe().of("blue", "app")
    answer = container_answer(site.engine, context.release, item)
    starts = start_period == "60s"
    assert (answer.outcome, answer.kind) == (outcome, "tcp")
    assert answer.detail.startswith("starting (start_period 60 s): port 8000: ") == starts
    # What would help is given already.
    assert ("start_period" in answer.hint) == (not starts)


def test_a_pace_keeps_answers_a_container_each():
    clock = Clock()
    pace = containers.Pace(clock.monotonic)
    a, b = (Container(name, name, "api", "app", "running") for name in "ab")
    said = iter(range(9))

    def ask():
        return Answer(Outcome.HEALTHY, str(next(said)))

    assert [pace.answer(item, 2.0, ask).detail for item in (a, b, a)] == ["0", "1", "0"]
    clock.now += 2.0
    pace.news.clear()
    assert [pace.answer(item, 2.0, ask).detail for item in (a, a)] == ["2", "2"]
    assert pace.news == {"a"}


def test_a_guess_is_told_and_never_counts(site, monkeypatch):
    services = {**SERVICES, "redis": {}}
    context = served(site, None)
    made = site.keep("1.0.1", services=services, images={"redis": "redis:7"})
    site.serve(made)
    site.engine.persistent["redis"] = True
    context = replace(context, release=site.store.get("1.0.1"), slot="")
    # Nobody listens where the guess would ask.
    monkeypatch.setattr(site.engine, "address", lambda item, port: ("127.0.0.1", 1))
    verdict = health.Health(0.0, (Role.BACKING,)).check(context)
    assert verdict.outcome is GateOutcome.PASS
    (row,) = (item for item in insight.report(Fleet((site,))) if item.service == "redis")
    assert (row.health, row.kind) == (Outcome.HEALTHY, "healthcheck")
    assert row.answer == (
        "its healthcheck says healthy; a guessed probe says: redis: nothing listens on port 6379 "
        "yet (not counted: `health: {kind: redis}` in x-towline makes it count)"
    )


def test_a_probe_of_a_backing_service_counts_when_it_is_written(site, clock):
    context = served(site, {"kind": "command", "command": BAD}, "db")
    verdict = health.Health(1.0, (Role.BACKING,)).check(context)
    assert verdict.outcome is GateOutcome.FAIL
    (row,) = (item for item in insight.report(Fleet((site,))) if item.service == "db")
    assert (row.health, row.kind) == (Outcome.FAILURE, "command")
    assert row.seconds is not None
    context = served(site, {"kind": "command", "command": GOOD}, "db", "1.0.1")
    assert health.Health(1.0, (Role.BACKING,)).check(context).outcome is GateOutcome.PASS


def test_smoke_tests_are_asked_at_their_service(site, monkeypatch):
    services = {**SERVICES, "admin": {"role": "app", "port": 9000}}
    site.serve(site.keep("1.0.0", services=services))
    site.engine.containers["blue", "admin"] = ("1.0.0", True)
    site.engine.roles["admin"] = "app"
    monkeypatch.setattr(site.engine, "address", lambda item, port: ("127.0.0.1", port))
    seen = {}

    def note(url, tests, *, folder, port, direct, services):
        places = {name: (p.url, p.direct) for name, p in services.items()}
        seen.update(url=url, port=port, direct=direct, services=places)
        return []

    monkeypatch.setattr(smoke, "run_smoke", note)
    tests = Smoke(requests=[HttpSmoke(path="/", service="api")])
    context = GateContext(site.engine, site.store.get("1.0.0"), "blue", site.folder, lambda: None)
    smoke.Smoke(tests).check(context)
    assert seen == {
        "url": "http://127.0.0.1:9000",
        "port": 9000,
        "direct": True,
        "services": {
            "admin": ("http://127.0.0.1:9000", True),
            "api": ("http://127.0.0.1:8000", True),
        },
    }
