"""Holds, repairs and moves of the lead ask the fence too, and a lead that was replaced is found."""

import subprocess
import sys
import threading
import time

import pytest
from fakes import FakeHostEnvironment
from test_fence import Clock
from test_fleet import parts
from test_repair import spoil

from towline.environments import fence, holding, lead, lead_lock, lead_move
from towline.environments.fence import Fence
from towline.environments.host_environment import Away, Fleet
from towline.environments.journal_anchor import anchors
from towline.errors import Locked
from towline.hosts.local import LocalFiles
from towline.progress import Silent
from towline.rollout.executor import Executor
from towline.rollout.repair import repair_journal
from towline.state import lock

NAMES = ("web1", "web2", "web3")


def remote(folder, name, fence):
    site = FakeHostEnvironment(folder / name, host_name=name, fence=fence)
    site.remote = True
    return site


def opened(folder):
    """What another operator, or a later command, has in hand."""
    fence = Fence()
    return [remote(folder, name, fence) for name in NAMES]


@pytest.fixture
def sites(tmp_path):
    found = opened(tmp_path)
    for site in found:
        site.serve(site.keep("1.0.0"))
        site.keep("1.0.1")
    with lead_lock.held(found, "begin"):
        found[0].journal.write("0", "begin", data={"kind": "deploy", "release": "1.0.0"})
        found[0].journal.write("0", "end", data={"ok": True})
    return found


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def sleeping(monkeypatch):
    """Counts proofs that whoever acts asks for, and does something before one of them."""
    clock, prove, turn = Clock(), Fence.prove, threading.RLock()

    class Sleep:
        number, count, then = 0, 0, staticmethod(lambda: None)

    def woken(one, age=0.0, host=""):
        # What other hosts prove meanwhile waits: they would act in the middle of it.
        with turn:
            if one._check and age < 5:
                Sleep.count += 1
                if Sleep.count == Sleep.number:
                    clock.slept += 100
                    Sleep.then()
            return prove(one, age, host)

    monkeypatch.setattr(fence, "now", clock)
    monkeypatch.setattr(Fence, "prove", woken)
    return Sleep


def do_hold(sites):
    holding.place(sites[0], "look first")


def do_lift(sites):
    holding.take_away(sites[0])


def do_repair(sites):
    repair_journal(Fleet((sites[0],)))


def do_move(sites):
    lead_move.move(Fleet(tuple(sites)), sites[1])


def do_force(sites):
    lead_move.force(Fleet(tuple(sites[1:])), sites[1])


@pytest.mark.parametrize("act", [do_hold, do_lift, do_repair, do_move, do_force])
def test_a_sleeper_that_is_woken_in_any_other_act_changes_nothing(tmp_path, sleeping, act):
    def begin(number):
        sites = opened(tmp_path / str(number))
        for site in sites:
            site.serve(site.keep("1.0.0"))
            site.keep("1.0.1")
        Executor(parts(sites), Silent()).run()
        if act is do_lift:
            holding.place(sites[0], "look first")
        if act is do_repair:
            spoil(sites[0], b"null")
        sleeping.count = 0
        return sites

    sleeping.number = 0
    act(begin("awake"))
    acts = sleeping.count
    assert acts >= 1
    for number in range(1, acts + 1):
        sleeping.number = 0
        sites, before = begin(number), {}
        sleeping.number = number
        locked = sites[1 if act is do_force else 0].state.lock

        def steal(locked=locked, number=number, before=before):
            locked.unlink()
            with lock.held(LocalFiles(), locked, "abort"):
                pass
            before.update(content(tmp_path / str(number)))

        sleeping.then = steal
        with pytest.raises(lock.Fenced, match="nothing more was done"):
            act(sites)
        assert content(tmp_path / str(number)) == before, f"act {number} of {acts}"


@pytest.mark.parametrize("act", [do_hold, do_lift])
def test_nobody_holds_or_lifts_while_somebody_else_is_at_work(sites, act):
    do_hold(sites)
    before = sites[0].state.hold.read_bytes()
    with lead_lock.held(sites, "deploy 1.0.1"), pytest.raises(Locked, match=r"deploy 1\.0\.1"):
        act(sites)
    assert sites[0].state.hold.read_bytes() == before


def test_a_hold_goes_to_the_lead_of_now(sites, tmp_path):
    mine = opened(tmp_path)
    do_move(sites)
    with pytest.raises(Locked, match="the lead of prod moved to web2"):
        do_hold(mine)
    assert not mine[0].state.hold.exists()


def test_whoever_still_reaches_a_lead_that_was_replaced_stops(tmp_path, sleeping):
    """Its lock says yes for ever: the others know better."""

    def begin(number):
        sites = opened(tmp_path / str(number))
        for site in sites:
            site.serve(site.keep("1.0.0"))
            site.keep("1.0.1")
            # What had its proof before the lead was replaced may still be done.
            site.rollout = site.rollout.model_copy(update={"parallel": 1})
        with lead_lock.held(sites, "begin"):
            pass
        sleeping.count = 0
        return sites

    def observed(sites):
        acts = [[c for c in site.engine.calls if c != "wait"] for site in sites[1:]]
        return acts, [dict(site.engine.shares) for site in sites[1:]]

    sleeping.number = 0
    Executor(parts(begin("awake")), Silent()).run()
    acts = sleeping.count
    assert acts > 50
    for number in range(1, acts, 7):
        sleeping.number = 0
        sites, seen = begin(number), []
        sleeping.number = number

        def force(number=number, seen=seen, sites=sites):
            _, two, three = opened(tmp_path / str(number))
            lead_move.force(Fleet((two, three), (Away("web1", "no answer"),)), two)
            seen.append(([content(site.folder) for site in (two, three)], observed(sites)))

        sleeping.then = force
        with pytest.raises(lock.Fenced, match="web2 was made the lead of prod meanwhile") as error:
            Executor(parts(sites), Silent()).run()
        assert error.value.exit_code == 5
        # What the old lead wrote is nobody's journal: its releases remember none of it.
        known = {item.seq for item in anchors(sites[:1])}
        assert known <= {item.seq for item in anchors(sites[1:])}
        after = [content(site.folder) for site in sites[1:]]
        assert seen == [(after, observed(sites))], f"act {number} of {acts}"


def test_a_deploy_that_was_planned_before_the_lead_was_replaced_begins_nothing(sites, tmp_path):
    _, two, three = opened(tmp_path)
    lead_move.force(Fleet((two, three), (Away("web1", "no answer"),)), two)
    before = sites[0].state.journal.read_bytes()
    with pytest.raises(lock.Fenced, match="web2 was made the lead"):
        Executor(parts(sites), Silent()).run()
    assert sites[0].state.journal.read_bytes() == before
    assert [site.engine.shares for site in sites] == [{"blue": 100}] * 3


def test_one_that_hangs_does_not_keep_the_others_from_telling(monkeypatch):
    monkeypatch.setattr(fence, "_PATIENCE", 0.2)

    def moved():
        raise lock.Fenced("web2 was made the lead")

    one, ends = Fence(), threading.Event()
    hosts = {"web1": lambda: ends.wait(60), "web2": lambda: None}
    with one.armed(lambda: None, hosts):
        began = time.monotonic()
        one.prove_everywhere()
        assert time.monotonic() - began < 30
    hosts["web3"] = moved
    with one.armed(lambda: None, hosts):
        with pytest.raises(lock.Fenced):
            one.prove_everywhere()
        # What one host knows stops what is done on all of them.
        with pytest.raises(lock.Fenced):
            one.prove(5, "web2")
    ends.set()


def test_a_host_that_owes_an_answer_is_not_asked_again(monkeypatch):
    monkeypatch.setattr(fence, "_PATIENCE", 0.2)
    asked, answer, moved = [], threading.Event(), []

    def hangs():
        asked.append(threading.current_thread())
        answer.wait(60)
        if moved:
            raise lock.Fenced("web2 was made the lead")

    one = Fence()
    with one.armed(lambda: None, {"web1": hangs, "web2": lambda: None}):
        one.prove_everywhere()
        monkeypatch.setattr(fence, "_PATIENCE", 60)
        began = time.monotonic()
        for _ in range(5):
            one.prove_everywhere()
        assert time.monotonic() - began < 30
        assert len(asked) == 1
        # What it says late counts.
        moved.append(True)
        answer.set()
        asked[0].join()
        with pytest.raises(lock.Fenced):
            one.prove_everywhere()


def test_the_end_of_a_command_waits_for_no_host_that_hangs():
    script = (
        "import time; from towline.environments import fence; fence._PATIENCE = 0.1\n"
        "one = fence.Fence()\n"
        "hosts = {'web1': lambda: time.sleep(60), 'web2': lambda: None}\n"
        "with one.armed(lambda: None, hosts):\n    one.prove_everywhere()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=50)


def test_a_journal_at_work_on_another_host_keeps_its_lead(sites, tmp_path):
    """Of two histories a person chooses one, and not while somebody is at work in the other."""
    two = sites[1]
    lead.write(two, lead.Record("web2", "another history", here=True))
    two.journal.write("1", "begin", data={"kind": "migrate"})
    with (
        lock.held(two.host.files, two.state.lock, "migrate"),
        pytest.raises(Locked, match="is running migrate"),
    ):
        lead_move.force(Fleet(tuple(opened(tmp_path))), opened(tmp_path)[0])
