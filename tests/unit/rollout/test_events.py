"""Listeners are told what happens, and have no say in it."""

import threading
import time
from pathlib import Path

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan

from towline.config.redaction import KNOWN
from towline.errors import RolledBack
from towline.progress import Silent
from towline.rollout import events as module
from towline.rollout import listeners as package
from towline.rollout.events import find_listeners
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import HostRollout
from towline.rollout.listeners.step_summary import _cell

TOYS = Path(__file__).parent / "toys"
STEPS = ["reconcile", "migrate", "start", "switch", "finish", "finalize"]


@pytest.fixture
def site(tmp_path):
    made = FakeHostEnvironment(tmp_path)
    made.serve(made.keep("1.0.0"))
    made.keep("1.0.1")
    return made


def deploy(site, progress=None, **changes):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    Executor([HostRollout(site, plan)], progress or Silent(), **changes).run()


def test_a_listener_is_added_by_one_file(site, monkeypatch):
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(TOYS / "listeners")])
    monkeypatch.setattr(package.__spec__, "submodule_search_locations", package.__path__)
    deploy(site)
    from towline.rollout.listeners.toy_bell import HEARD

    between = [(what, name) for name in STEPS for what in ("StepBegun", "StepEnded")]
    assert [("Begun", ""), *between, ("Ended", "")] == HEARD


def test_what_failed_is_told_with_the_way_back(site):
    heard = []
    site.engine.fail_on = {"start 1.0.1 api"}
    with pytest.raises(RolledBack):
        deploy(site, listeners=[heard.append])
    ended = [(e.name, bool(e.error)) for e in heard if isinstance(e, module.StepEnded)]
    assert ended[-2:] == [("start", True), ("restore", False)]
    assert heard[-1].exit_code == 4
    assert "1.0.0 serves all traffic" in heard[-1].error


def raising(event):
    raise OSError("the disk of the summary is full")


def hanging(event):
    threading.Event().wait()


class Stuck(Silent):
    """A terminal whose reader does not read."""

    def step(self, title):
        threading.Event().wait()


@pytest.mark.parametrize(
    ("listener", "progress"), [(raising, None), (hanging, None), (lambda _: None, Stuck())]
)
def test_a_listener_that_fails_or_hangs_harms_nothing(site, monkeypatch, listener, progress):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    monkeypatch.setattr(module.Events.close, "__defaults__", (0.2,))
    heard, began = [], time.monotonic()
    deploy(site, progress, listeners=[listener, heard.append])
    assert time.monotonic() - began < 60
    assert site.engine.shares == {"green": 100}
    assert site.journal.entries()[-1]["data"] == {"ok": True}
    assert isinstance(heard[-1], module.Ended)


def test_the_journal_is_written_before_anybody_is_told(site):
    seen = []

    def listener(event):
        if isinstance(event, module.Begun):
            seen.append([entry["event"] for entry in site.journal.entries()][:1])

    deploy(site, listeners=[listener])
    assert seen == [["begin"]]


def test_a_journal_that_cannot_be_written_is_no_such_listener(site, monkeypatch):
    write, calls = site.journal.write, []

    def full(operation, event, step="", data=None):
        calls.append((event, step))
        if (event, step) == ("intent", "start"):
            raise OSError(28, "No space left on device")
        return write(operation, event, step, data)

    monkeypatch.setattr(site.journal, "write", full)
    with pytest.raises(RolledBack, match="No space left"):
        deploy(site)
    assert "start 1.0.1 api" not in site.engine.calls


def test_a_workflow_shows_a_summary(site, tmp_path, monkeypatch):
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    assert len(find_listeners()) == 1
    deploy(site)
    text = path.read_text()
    assert text.startswith("before\n### deploy shop 1.0.1 to prod: done\n")
    assert text.count("| ✓ |") == len(STEPS)
    site.engine.fail_on = {"job migrate"}
    site.keep("1.0.2")
    plan = deploy_plan(site, site.store.get("1.0.2"))
    with pytest.raises(RolledBack):
        Executor([HostRollout(site, plan)], Silent()).run()
    last = path.read_text().split("###")[-1]
    assert "failed and rolled back" in last
    assert "| ✗ |" in last
    assert "job migrate does not work" in last


def test_what_a_summary_shows_cannot_break_its_table_and_holds_no_secret():
    KNOWN.learn({"API_TOKEN": "s3cret_of|a*test"})
    assert "s3cret" not in _cell("refused: s3cret_of|a*test")
    assert _cell("a | b\n<img> `x`") == "a &#124; b &#60;img&#62; &#96;x&#96;"
    assert "\n" not in _cell("one\ntwo")


def test_outside_of_a_workflow_nobody_listens(monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert find_listeners() == []
