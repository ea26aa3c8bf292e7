"""Cut tails, removed files and hashes that were computed anew contradict what releases remember."""

import json

import pytest
from fakes import FakeHostEnvironment
from test_executor import run
from test_interrupted import deploy_host_rollout, kill, rollback_host_rollout

from towline.environments import journal_anchor
from towline.environments.host_environment import Fleet
from towline.errors import TowlineError
from towline.hosts.local import LocalFiles
from towline.insight.history import require_whole
from towline.progress import Silent
from towline.rollout import interrupted
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import HostRollout
from towline.rollout.repair import repair_journal
from towline.state.journal import Journal
from towline.state.journal_lines import START, digest, line_of


@pytest.fixture
def site(tmp_path):
    """1.0.1 was deployed and rolled back; 1.0.2 is retained, and was never live."""
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0"))
    site.keep("1.0.1")
    run(site, deploy_host_rollout(site).plan)
    run(site, rollback_host_rollout(site).plan)
    return site


def fresh(site):
    site.journal = Journal(LocalFiles(), site.state.journal)
    return Fleet((site,))


def lines(site):
    return [json.loads(line) for line in site.state.journal.read_text().splitlines()]


def chained(entries):
    """The same entries with hashes that fit, as somebody computes them who changed one."""
    previous = START
    for number, entry in enumerate(entries, 1):
        entry |= {"seq": number, "prev": previous}
        entry["hash"] = previous = digest(entry)
    return b"".join(map(line_of, entries))


def test_a_journal_as_it_was_written_is_what_releases_remember(site):
    assert require_whole(fresh(site)) == len(lines(site))
    remembered = json.loads((site.store.get("1.0.1").folder / "journal.json").read_text())
    assert (remembered["seq"], remembered["hash"]) == (len(lines(site)), lines(site)[-1]["hash"])


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_a_cut_tail_shows(site, cut):
    retained = site.state.journal.read_bytes().splitlines(keepends=True)[:-cut]
    site.state.journal.write_bytes(b"".join(retained))
    fleet = fresh(site)
    assert site.journal.verify() == []
    with pytest.raises(TowlineError, match=r"release 1\.0\.1 on localhost remembers \d+ entries"):
        require_whole(fleet)


def test_a_removed_journal_shows(site):
    site.state.journal.unlink()
    with pytest.raises(TowlineError, match="and there are 0: the end is missing"):
        require_whole(fresh(site))


@pytest.mark.parametrize("dropped", [False, True])
def test_hashes_that_were_computed_anew_show(site, dropped):
    entries = lines(site)
    if dropped:
        del entries[2]
        entries.append(entries[-1] | {"event": "note"})
    else:
        entries[0]["data"]["reason"] = "harmless"
    site.state.journal.write_bytes(chained(entries))
    fleet = fresh(site)
    assert site.journal.verify() == []
    with pytest.raises(TowlineError, match="is not the one that release"):
        require_whole(fleet)


def test_what_was_lost_still_shows_after_the_next_deploy(site):
    retained = site.state.journal.read_bytes().splitlines(keepends=True)[:-8]
    site.state.journal.write_bytes(b"".join(retained))
    fresh(site)
    site.keep("1.0.2")
    site.store._read.clear()
    run(site, deploy_host_rollout(site).plan)
    with pytest.raises(TowlineError, match=r"release 1\.0\.1 on localhost remembers"):
        require_whole(fresh(site))


def test_another_host_remembers_when_the_first_ones_state_was_rewritten(tmp_path):
    sites = [FakeHostEnvironment(tmp_path / name, host_name=name) for name in ("a", "b")]
    for site in sites:
        site.serve(site.keep("1.0.0"))
        site.keep("1.0.1")
    Executor([deploy_host_rollout(site) for site in sites], Silent()).run()
    first = sites[0]
    entries = lines(first)
    entries[0]["data"]["reason"] = "harmless"
    first.state.journal.write_bytes(chained(entries))
    for name in ("1.0.0", "1.0.1"):
        (first.store.get(name).folder / "journal.json").unlink(missing_ok=True)
    first.journal = Journal(LocalFiles(), first.state.journal)
    assert require_whole(Fleet((first,)))
    with pytest.raises(TowlineError, match=r"release 1\.0\.1 on b remembers"):
        require_whole(Fleet(tuple(sites)))


def test_a_repair_says_what_is_lost_and_is_believed(site):
    retained = site.state.journal.read_bytes().splitlines(keepends=True)[:-3]
    site.state.journal.write_bytes(b"".join(retained))
    assert repair_journal(fresh(site), thorough=True) == ""
    assert require_whole(fresh(site)) == len(retained) + 1
    assert "the end is missing" in lines(site)[-1]["data"]["reason"]


def test_a_journal_that_is_set_aside_is_not_missed(site):
    content = site.state.journal.read_bytes()
    site.state.journal.write_bytes(b"null\n" + content)
    assert repair_journal(fresh(site))
    assert require_whole(fresh(site)) >= 1


def test_a_repair_leaves_an_interruption_as_it_is(site, monkeypatch):
    assert kill([deploy_host_rollout(site)], monkeypatch, 10, after=True)
    fleet = fresh(site)
    before = interrupted.found(fleet)
    site.store.files.write(
        site.store.get("1.0.1").folder / "journal.json", b'{"seq": 999, "hash": "x"}'
    )
    assert repair_journal(fleet, thorough=True) == ""
    after = interrupted.found(fresh(site))
    assert (after.operation, after.step) == (before.operation, before.step)


@pytest.mark.parametrize(
    "text", ["null", "{", "[]", '{"seq": "x"}', '{"seq": Infinity, "hash": ""}']
)
def test_what_a_release_remembers_may_be_damaged_too(site, text):
    (site.store.get("1.0.1").folder / "journal.json").write_text(text)
    assert require_whole(fresh(site)) == len(lines(site))
    run(site, HostRollout(site, deploy_host_rollout(site).plan).plan)
    assert journal_anchor.anchors([site])[-1].seq == len(lines(site))


def test_who_lost_the_lock_leaves_nothing(site):
    before = journal_anchor.anchors([site])
    plan = deploy_host_rollout(site).plan
    job = site.engine.run_job

    def unlocked(*arguments, **options):
        site.state.lock.unlink()
        return job(*arguments, **options)

    site.engine.run_job = unlocked
    with pytest.raises(TowlineError, match="the lock was lost"):
        run(site, plan)
    assert journal_anchor.anchors([site]) == before
