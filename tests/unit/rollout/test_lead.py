"""Every host knows which one has journal, lock and hold; no list of hosts begins a second one."""

import json

import pytest
from fakes import FakeHostEnvironment
from test_fleet import parts

from towline.environments import lead, lead_lock, lead_move
from towline.environments.host_environment import Away, Fleet
from towline.errors import Locked, TowlineError, UsageError
from towline.insight import history
from towline.progress import Silent
from towline.rollout import down
from towline.rollout.executor import Executor
from towline.state import hold, lock


def site_of(folder, name):
    site = FakeHostEnvironment(folder / name, host_name=name)
    site.remote = True
    return site


@pytest.fixture
def sites(tmp_path):
    """1.0.0 is live on three hosts that were deployed to by a version without a record."""
    found = [site_of(tmp_path, name) for name in ("web1", "web2", "web3")]
    for site in found:
        site.serve(site.keep("1.0.0"))
        site.keep("1.0.1")
    found[0].journal.write("0", "begin", data={"kind": "deploy", "release": "1.0.0"})
    found[0].journal.write("0", "end", data={"ok": True})
    return found


@pytest.fixture
def deployed(sites):
    Executor(parts(sites), Silent()).run()
    return sites


def kinds(site):
    return [e["data"].get("kind") for e in site.journal.entries() if e["event"] == "begin"]


def holds_journal(sites):
    return [site.host.name for site in sites if site.state.journal.exists()]


def test_without_a_record_the_host_with_the_journal_is_the_lead(sites):
    one, two, three = sites
    assert lead.find([two, three, one]) is one
    with pytest.raises(UsageError, match="web2 keeps releases of prod, and none") as error:
        lead.find([two])
    assert "inv hosts.lead --host web2 --force --env prod" in error.value.remedy


def test_a_new_environment_is_led_by_its_first_host(tmp_path):
    one, two = (site_of(tmp_path, name) for name in ("web1", "web2"))
    assert lead.find([two, one]) is two
    with pytest.raises(UsageError, match="nobody knows whether web1 has the journal"):
        lead.find([two], ["web1"])


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_in_any_order_the_lead_stays_the_lead(deployed, order):
    assert lead.find([deployed[at] for at in order]).host.name == "web1"
    assert [lead.read(site).host for site in deployed] == ["web1"] * 3


def test_a_shorter_list_is_refused_with_the_leads_name(deployed):
    with pytest.raises(UsageError, match="web1 is the lead of prod, and environments") as error:
        lead.find(deployed[1:])
    assert "inv hosts.lead --host web2 --env prod" in error.value.remedy
    with pytest.raises(UsageError, match="web1 is away, and it is the lead") as error:
        lead.find(deployed[1:], ["web1"])
    assert "inv hosts.lead --host web2 --force --env prod" in error.value.remedy
    assert holds_journal(deployed) == ["web1"]


def test_a_lead_whose_state_is_gone_is_named(deployed):
    deployed[0].state.lead.unlink()
    with pytest.raises(UsageError, match="web1 is the lead of prod, and its state is gone"):
        lead.find(deployed)


def test_the_first_to_deploy_wins_and_leaves_nothing_half(tmp_path):
    one, two = (site_of(tmp_path, name) for name in ("web1", "web2"))
    lead.claim([one, two])
    other = [site_of(tmp_path, name) for name in ("web2", "web1", "web3")]
    other[2].folder.mkdir(parents=True)
    # Planned before the first one's records were there.
    two.state.lead.unlink()
    with pytest.raises(Locked, match="someone else makes web1 the lead"):
        lead.claim(other)
    assert lead.read(one).here
    assert not other[0].state.lead.exists()
    lead.claim([one, two])
    assert lead.read(two).host == "web1"


def test_a_host_that_comes_later_learns_who_leads(deployed, tmp_path):
    new = site_of(tmp_path, "web4")
    assert lead.find([new, *deployed]).host.name == "web1"
    with lead_lock.held([*deployed, new], "deploy"):
        assert lead.read(new).host == "web1"


def test_whoever_lost_the_one_lock_changes_nothing_more(deployed):
    files, path = deployed[0].host.files, deployed[0].state.lock
    with lead_lock.held(deployed, "down"):
        files.remove(path)
        with lock.held(files, path, "rollback"), pytest.raises(lock.Fenced):
            deployed[2].files.write(deployed[2].state.root / "x", b"")
    assert not (deployed[2].state.root / "x").exists()


def test_down_takes_the_one_lock(deployed):
    one, two, three = deployed
    ordered = Fleet((lead.find([two, one, three]), two, three))
    taken = lock.held(one.host.files, one.state.lock, "deploy 2")
    with taken, pytest.raises(Locked, match="deploy 2"):
        down.take_down(ordered, down.Extent())


def test_the_lead_moves_with_journal_hold_and_number(deployed):
    one, two, three = deployed
    hold.put(one.host.files, one.state, "look first")
    before = one.journal.entries()
    number = lock.last_fence(one.host.files, one.state.lock)
    assert lead_move.move(Fleet(tuple(deployed)), two) == "web1"
    assert holds_journal(deployed) == ["web2"]
    assert two.journal.entries()[: len(before)] == before
    assert two.journal.verify() == []
    assert hold.read(two.host.files, two.state).reason == "look first"
    assert hold.read(one.host.files, one.state) is None
    for order in ([one, two, three], [three, one, two]):
        assert lead.find(order) is two
    with lock.held(two.host.files, two.state.lock, "deploy") as holder:
        assert holder.fence > number
    assert history.operations(two, last=1)[0].reason == "lead web2, from web1"
    with pytest.raises(UsageError, match="web2 is the lead of prod already"):
        lead_move.move(Fleet(tuple(deployed)), two)
    # Somebody whose plan is older finds the lock free, and does not get it.
    with (
        pytest.raises(Locked, match="the lead of prod moved to web2"),
        lead_lock.held(deployed, "x"),
    ):
        pass


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(12))
def test_killed_anywhere_the_move_goes_on_and_no_entry_is_lost(deployed, monkeypatch, at):
    one, two, _ = deployed
    before, count = one.journal.entries(), 0
    files = type(one.host.files)
    for name in ("write", "move", "append", "remove"):
        original = getattr(files, name)

        def dying(self, *arguments, original=original):
            nonlocal count
            if "lock" not in str(arguments[0]):
                count += 1
            if count > at:
                raise Killed
            return original(self, *arguments)

        monkeypatch.setattr(files, name, dying)
    died = False
    try:
        lead_move.move(Fleet(tuple(deployed)), two)
    except Killed:
        died = True
    monkeypatch.undo()
    one.state.lock.unlink(missing_ok=True)
    fresh = [site_of(site.folder.parent, site.host.name) for site in deployed]
    if any((record := lead.read(site)) and record.moving for site in fresh) and not (
        (there := lead.read(fresh[1])) and there.here
    ):
        assert died
        with pytest.raises(UsageError, match="moving the lead of prod to web2") as error:
            lead.find(fresh)
        assert "inv hosts.lead --host web2 --env prod" in error.value.remedy
        lead_move.move(Fleet(tuple(fresh)), fresh[1])
    elif lead.find(fresh) is fresh[0]:
        lead_move.move(Fleet(tuple(fresh)), fresh[1])
    fresh = [site_of(site.folder.parent, site.host.name) for site in deployed]
    assert lead.find(fresh) is fresh[1]
    assert fresh[1].journal.entries()[: len(before)] == before
    assert fresh[1].journal.verify() == []
    with lead_lock.held([fresh[1], fresh[0], fresh[2]], "deploy"):
        pass
    assert [lead.read(site).host for site in fresh] == ["web2"] * 3


def test_a_lead_that_is_lost_is_replaced_and_finds_out_when_it_is_back(deployed):
    one, two, three = deployed
    lost = lead_move.force(Fleet((two, three), (Away("web1", "no answer"),)), two)
    assert lost[0].startswith("web1's journal")
    assert lead.find([two, three]) is two
    assert lead.find([one, two, three]) is two
    with lead_lock.held([two, one, three], "deploy"):
        assert lead.read(one).host == "web2"
    assert holds_journal(deployed) == ["web2"]
    # What it had is still there to be read.
    assert [path for path in one.folder.iterdir() if path.name.startswith("aside-")]


def test_one_that_is_there_is_not_replaced_by_force(deployed):
    with pytest.raises(UsageError, match="web1 is the lead of prod, and it is there") as error:
        lead_move.force(Fleet(tuple(deployed)), deployed[1])
    assert "inv hosts.lead --host web2 --env prod" in error.value.remedy


def test_of_two_histories_a_person_chooses_one(sites):
    one, two, three = sites
    two.journal.write("1", "begin", data={"kind": "migrate"})
    with pytest.raises(UsageError, match="web1 and web2 have journals of prod") as error:
        lead.find(sites)
    assert "inv hosts.lead --host web1 --force --env prod" in error.value.remedy
    lead_move.force(Fleet(tuple(sites)), one)
    assert lead.find([three, two, one]) is one
    assert holds_journal(sites) == ["web1"]
    assert kinds(one) == ["deploy"]


def test_a_record_that_cannot_be_read_says_which(deployed):
    deployed[1].state.lead.write_text(json.dumps({"host": 1, "odd": True}))
    with pytest.raises(TowlineError, match=r"lead\.json on web2 cannot be read"):
        lead.find(deployed)
