"""Smoke tests after the switch: against a real server, and what they do to a deploy."""

import http.server
import threading
from dataclasses import replace

import pytest
from fakes import FakeHostEnvironment
from test_executor import candidate, inputs

from projects import free_ports
from towline.config.deploy_sections import Smoke
from towline.errors import RolledBack
from towline.progress import Silent
from towline.rollout.executor import Executor
from towline.rollout.gates.smoke_after import SmokeAfter, choose_tests
from towline.rollout.host_rollout import HostRollout
from towline.rollout.planner import plan_deploy, plan_rollback
from towline.rollout.stages import StrategySettings
from towline.state.releases import Status


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def users():
    """Where users reach the service."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.status, server.asked = 200, []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def site(tmp_path):
    made = FakeHostEnvironment(tmp_path)
    made.serve(made.keep("1.0.0"))
    made.keep("1.0.1")
    # No slot has a port to be tested at before the switch.
    return made


TESTS = Smoke.model_validate({"requests": [{"path": "/"}], "retries": 0})


def deploy(site, url, progress=None, **smoke):
    tests = TESTS.model_copy(update=smoke)
    before = inputs(site)
    settings = StrategySettings(site.rollout, tests, url=url)
    planned = plan_deploy(replace(before, settings=settings), candidate(site.store.get("1.0.1")),
                          site.rollout)  # fmt: skip
    steps = tuple(
        replace(step, stage=replace(step.stage, gates=tuple(
            gate for gate in step.stage.gates if gate.name != "smoke"
        ))) if step.stage else step
        for step in planned.steps
    )  # fmt: skip
    part = HostRollout(site, replace(planned, steps=steps))
    Executor([part], progress or Silent()).run()


def test_they_run_after_the_switch_where_users_are(site, users):
    deploy(site, users.url)
    assert users.asked == ["/"]
    calls = site.engine.calls
    assert "route {'green': 100}" in calls
    assert site.store.get("1.0.1").status is Status.GOOD
    note = next(
        e["data"]["note"] for e in site.journal.entries()
        if (e["event"], e["step"]) == ("outcome", "switch")
    )  # fmt: skip
    assert "smoke after: 1 of 1 passed at 127.0.0.1:" in note


def test_one_that_fails_rolls_back_and_marks_the_release_bad(site, users):
    users.status = 500
    with pytest.raises(RolledBack, match=r"gate smoke after failed: 1 of 1 failed at 127"):
        deploy(site, users.url)
    assert site.engine.shares == {"blue": 100}
    assert site.store.get("1.0.1").status is Status.BAD


class Said(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def test_an_address_out_of_reach_says_nothing_unless_it_must(site):
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    said = Said()
    deploy(site, nowhere, said)
    assert site.engine.shares == {"green": 100}
    assert any("cannot be reached from here" in line for line in said.lines)


def test_where_it_must_be_reached_it_rolls_back(site):
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(RolledBack, match="gate smoke after failed"):
        deploy(site, nowhere, after=True)
    assert site.engine.shares == {"blue": 100}


def test_without_an_address_that_was_required_nobody_can_tell(site):
    with pytest.raises(RolledBack, match="neither a url nor a published port"):
        deploy(site, "", after=True)
    assert site.store.get("1.0.1").status is not Status.BAD


def test_when_they_run():
    command = TESTS.model_copy(update={"command": ["true"]})
    assert choose_tests(TESTS, "") is None
    assert choose_tests(Smoke(), "http://a") is None
    assert choose_tests(TESTS.model_copy(update={"after": False}), "http://a") is None
    assert choose_tests(command, "http://a").command == []
    assert choose_tests(command.model_copy(update={"after": True}), "").command == ["true"]


def test_a_rollback_is_not_judged_by_them(site):
    site.engine.shares = {"blue": 100}
    before = replace(inputs(site), settings=StrategySettings(site.rollout, TESTS, url="http://a"))
    target = site.store.get("1.0.1")
    planned = plan_rollback(before, candidate(target), target)
    gates = [gate for step in planned.steps if step.stage for gate in step.stage.gates]
    assert not any(isinstance(gate, SmokeAfter) for gate in gates)
