"""A damaged journal is put aside; rollbacks, resumes and aborts go on."""

import pytest
from fakes import FakeHostEnvironment
from test_executor import run
from test_interrupted import deploy_host_rollout, kill, rollback_host_rollout

from towline.environments.host_environment import Fleet
from towline.errors import Locked, TowlineError
from towline.rollout import interrupted
from towline.rollout.repair import repair_journal
from towline.state import lock


@pytest.fixture
def site(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0"))
    site.keep("1.0.1")
    return site


def spoil(site, line):
    path = site.state.journal
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, line + b"\n", *rest]))
    site.journal._last = None


@pytest.mark.parametrize("line", [b"null", b"[]", b"{}", b"\xff\x00", b'{"v": 1, "seq'])
def test_whatever_it_holds_a_rollback_goes_on_after_the_repair(site, line):
    run(site, deploy_host_rollout(site).plan)
    spoil(site, line)
    part = rollback_host_rollout(site)
    with pytest.raises(TowlineError, match="is not a journal entry") as error:
        run(site, part.plan)
    assert "inv history.repair" in error.value.remedy
    assert site.engine.shares == {"green": 100}
    place = repair_journal(Fleet((site,)))
    assert place.startswith(f"{site.state.journal}.damaged-")
    run(site, part.plan)
    assert site.engine.shares == {"blue": 100}
    assert site.journal.verify() == []
    assert site.journal.entries()[0]["step"] == "repair"
    assert place in site.journal.entries()[0]["data"]["reason"]


def test_what_was_interrupted_is_still_to_be_chosen(site, monkeypatch):
    assert kill([deploy_host_rollout(site)], monkeypatch, 10, after=True)
    before = interrupted.found(Fleet((site,)))
    spoil(site, b"null")
    repair_journal(Fleet((site,)))
    after = interrupted.found(Fleet((site,)))
    assert (after.operation, after.kind, after.release, after.step, after.before) == (
        before.operation, before.kind, before.release, before.step, before.before,
    )  # fmt: skip


def test_a_journal_that_is_well_is_left_alone(site):
    run(site, deploy_host_rollout(site).plan)
    content = site.state.journal.read_bytes()
    assert repair_journal(Fleet((site,))) == ""
    assert site.state.journal.read_bytes() == content


def test_under_someone_elses_lock_it_stays(site):
    run(site, deploy_host_rollout(site).plan)
    spoil(site, b"null")
    content = site.state.journal.read_bytes()
    with lock.held(site.host.files, site.state.lock, "deploy"), pytest.raises(Locked):
        repair_journal(Fleet((site,)))
    assert site.state.journal.read_bytes() == content
