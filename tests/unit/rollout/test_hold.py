"""Holds: set by people and by rollbacks, and what they stop."""

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan

from towline.config.redaction import KNOWN
from towline.errors import CheckFailed
from towline.progress import Silent
from towline.rollout.host_rollout import HostRollout
from towline.rollout.operation import Operation
from towline.state import hold
from towline.state.releases import Status


@pytest.fixture
def site(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0"))
    site.keep("1.0.1")
    return site


def operation(site, **rest):
    part = HostRollout(site, deploy_plan(site, site.store.get("1.0.1")))
    return Operation((part,), **rest)


def test_a_hold_stops_what_automation_does(site):
    hold.put(site.host.files, site.state, "the bug in 1.0.1")
    with pytest.raises(CheckFailed, match=r"prod is on hold: the bug in 1\.0\.1") as error:
        operation(site, respects_hold=True).run(Silent())
    assert "inv hold.lift --env prod" in error.value.remedy
    assert site.engine.calls == []
    assert site.journal.entries() == []


def test_what_a_person_asks_for_by_its_version_goes_on(site):
    hold.put(site.host.files, site.state, "the bug in 1.0.1")
    operation(site).run(Silent())
    assert site.engine.shares == {"green": 100}


def test_a_rollback_sets_one_when_it_is_done(site):
    operation(site, hold_reason="rolled back from 1.0.0").run(Silent())
    assert hold.read(site.host.files, site.state).reason == "rolled back from 1.0.0"
    assert site.state.hold.stat().st_mode & 0o777 == 0o600


def test_one_that_failed_sets_none(site):
    site.engine.fail_on = {"start 1.0.1 api"}
    with pytest.raises(Exception, match="serves all traffic"):
        operation(site, hold_reason="rolled back").run(Silent())
    assert hold.read(site.host.files, site.state) is None


def test_lifting(site):
    files, state = site.host.files, site.state
    assert hold.lift(files, state) is None
    hold.put(files, state, "x")
    assert hold.lift(files, state).reason == "x"
    assert hold.read(files, state) is None
    state.hold.write_text("not ours")
    assert "cannot be read" in hold.read(files, state).reason


def test_a_secret_in_a_reason_is_in_no_file(site):
    """Who reads it on another machine may not know what is to be masked."""
    KNOWN.learn({"API_TOKEN": "pl4nted-77aa"})
    said = "the token pl4nted-77aa was wrong"
    found = hold.put(site.host.files, site.state, said)
    assert found.reason == "the token [redacted] was wrong"
    retained = site.keep("1.0.7")
    site.store.mark(retained, Status.BAD, said)
    texts = [file.read_text() for file in site.folder.rglob("*.json")]
    assert any("the token [redacted] was wrong" in text for text in texts)
    assert not any("pl4nted" in text for text in texts)
