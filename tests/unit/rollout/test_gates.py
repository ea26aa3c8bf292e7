"""What people read while a gate waits."""

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan

from towline.errors import RolledBack
from towline.health.probes import Answer, Outcome
from towline.progress import Silent
from towline.rollout.executor import Executor
from towline.rollout.gates import containers, health
from towline.rollout.host_rollout import HostRollout


class Told(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture
def site(tmp_path):
    made = FakeHostEnvironment(tmp_path)
    made.serve(made.keep("1.0.0"))
    made.keep("1.0.1")
    return made


def test_what_a_release_answers_is_said_once_long_before_its_time_is_up(site, monkeypatch):
    answer = Answer(Outcome.FAILURE, "400, wanted 200", hint="set `headers: {Host: …}`")

    def ask(_, release, item):
        return answer if item.release == "1.0.1" else Answer(Outcome.HEALTHY, "well")

    monkeypatch.setattr(containers, "container_answer", ask)
    monkeypatch.setattr(health, "SILENCE", 0.2)
    told = Told()
    with pytest.raises(RolledBack, match="400, wanted 200"):
        Executor([HostRollout(site, deploy_plan(site, site.store.get("1.0.1")))], told).run()
    waiting = [line for line in told.lines if line.startswith("waiting for ")]
    assert waiting == ["waiting for green-api-1: 400, wanted 200; set `headers: {Host: …}`"]
