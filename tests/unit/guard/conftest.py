"""An environment on an engine in memory, and a guard whose clock the test moves."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from towline.config.analysis_section import Analysis
from towline.config.guard_section import Guard
from towline.environments.host_environment import Fleet
from towline.guard.watcher import Watcher
from towline.health.probes import Answer, Outcome
from towline.hosts import waiting
from towline.rollout.steps.table import SWITCH

sys.path.insert(0, str(Path(__file__).parents[1] / "rollout"))

from fakes import FakeHostEnvironment

SAME = {"migrations": {"migrations/1.sql": "a"}}


@dataclass
class Town:
    """An environment that a guard watches.

    Attributes:
        unwell: Services whose probes say no.
        at: The guard's clock.
    """

    folder: Path
    settings: dict = field(default_factory=dict)
    unwell: set = field(default_factory=set)
    at: float = 0.0
    said: list = field(default_factory=list)
    told: list = field(default_factory=list)
    confirm: bool = False
    request_log: bool = False
    checks: dict = field(default_factory=dict)

    def __post_init__(self):
        self.site = FakeHostEnvironment(self.folder)

    def fleet(self):
        """The environment as another process would open it."""
        opened = FakeHostEnvironment(self.folder, engine=self.site.engine)
        analysis = Analysis.model_validate({**self.checks, "request_log": self.request_log})
        changed = {"confirm": self.confirm, "analysis": analysis}
        opened.environment = opened.environment.model_copy(update=changed)
        return Fleet((opened,))

    def deploy(self, version, before="", **changes):
        """Let a release be live, as a deploy does."""
        kept = self.site.keep(version, **{**SAME, **changes})
        slot = "green" if self.site.engine.shares.get("blue") else "blue"
        for (other, service), (release, _) in list(self.site.engine.containers.items()):
            if other != slot:
                self.site.engine.containers[other, service] = (release, False)
        self.site.serve(kept, slot)
        journal = self.fleet().lead.journal
        data = {"kind": "deploy", "release": version, "before": before, "live": before}
        journal.write(version, "begin", data=data)
        with journal.step(version, SWITCH):
            pass
        journal.write(version, "end", data={"ok": True})

    def guard(self, limit=None, rounds=20, during=None, **changes):
        """Watch for some rounds; returns what came of it."""
        left = iter(range(rounds))

        def sleep(seconds):
            self.at += seconds
            number = next(left, None)
            if during and number is not None:
                during(number)
            return number is None

        watcher = Watcher(
            Guard.model_validate(self.settings), say=self.said.append, sleep=sleep,
            **{"look": self.fleet, "open": self.fleet, "clock": lambda: self.at,
               "listeners": [self.told.append], **changes},
        )  # fmt: skip
        return watcher.watch(limit)

    @property
    def live(self):
        engine = self.site.engine
        slot = next(slot for slot, share in engine.shares.items() if share == 100)
        return engine.containers[slot, "api"][0]

    @property
    def notes(self):
        entries = self.fleet().lead.journal.entries()
        return [e["data"] for e in entries if (e["event"], e["step"]) == ("note", "guard")]


@pytest.fixture
def town(tmp_path, monkeypatch):
    """1.1.0 is live and 1.0.0 can be rolled back to."""
    made = Town(tmp_path)

    def answer(engine, release, item):
        if not item.running:
            return Answer(Outcome.FAILURE, item.status)
        names = {item.service, (item.release, item.service), (item.release, item.name)}
        if names & made.unwell:
            return Answer(Outcome.FAILURE, "GET /: 500")
        return Answer(Outcome.HEALTHY, "GET /: 200")

    # What waits for a host to come back does not wait here.
    monkeypatch.setattr(waiting, "_PAUSE", 0.01)
    for module in ("guard.observation", "rollout.gates.containers"):
        monkeypatch.setattr(f"towline.{module}.container_answer", answer)
    made.deploy("1.0.0")
    made.deploy("1.1.0", "1.0.0")
    return made
