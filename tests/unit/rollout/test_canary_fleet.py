"""A canary on several hosts: they wait, go on and go back together."""

import pytest
from canaries import begin, builder
from test_executor import candidate, inputs
from test_interrupted import kill, serving

from towline.environments.host_environment import Fleet
from towline.errors import CheckFailed, ManualInterventionRequired, RolledBack
from towline.progress import Silent
from towline.rollout import down, interrupted, operations
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import HostRollout
from towline.rollout.planner import plan_deploy
from towline.state.journal import unfinished


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """A canary that waits at 10 % on two hosts."""
    make = builder(tmp_path, monkeypatch)
    sites = tuple(make(name, steps=[10, "pause", 60]) for name in ("web1", "web2"))
    executor = Executor([begin(site) for site in sites], Silent())
    executor.run()
    assert executor.paused.name == "canary-10"
    return Fleet(sites)


def shares(fleet):
    return [site.engine.shares.get("green", 0) for site in fleet.sites]


def test_all_wait_and_go_on(fleet):
    assert shares(fleet) == [10, 10]
    assert operations.promote(fleet).run(Silent()) is None
    assert [serving(site) for site in fleet.sites] == ["1.0.1"] * 2


@pytest.mark.parametrize("bad", [0, 1])
def test_when_one_fails_after_that_all_go_back(fleet, bad):
    fleet.sites[bad].engine.fail_on = {"route {'blue': 40, 'green': 60}"}
    with pytest.raises(RolledBack, match=rf"on web{bad + 1}: .*serves all traffic on all 2 hosts"):
        operations.promote(fleet).run(Silent())
    assert [serving(site) for site in fleet.sites] == ["1.0.0"] * 2


def test_what_fails_before_it_touches_a_host_takes_the_canary_back_too(fleet):
    # Nothing of this operation was done on the second one, which has 10 % of an earlier one.
    fleet.sites[0].engine.fail_on = {"settle 1.0.1"}
    with pytest.raises(RolledBack, match="at step reconcile on web1"):
        operations.promote(fleet).run(Silent())
    assert shares(fleet) == [0, 0]
    assert unfinished(fleet.lead.journal.entries()) is None


@pytest.fixture
def in_turn(tmp_path, monkeypatch):
    """Hosts that are deployed to one after the other; the first one waits."""
    make = builder(tmp_path, monkeypatch)
    sites = tuple(make(name, steps=[10, "pause", 60]) for name in ("web1", "web2"))
    for site in sites:
        site.rollout = site.rollout.model_copy(update={"batch_size": 1})
    Executor([begin(site) for site in sites], Silent()).run()
    return Fleet(sites)


def test_every_batch_waits_and_each_host_goes_on_from_where_it_is(in_turn):
    assert shares(in_turn) == [10, 0]
    assert operations.promote(in_turn).run(Silent()).name == "canary-10"
    assert shares(in_turn) == [100, 10]
    assert operations.promote(in_turn).run(Silent()) is None
    assert [serving(site) for site in in_turn.sites] == ["1.0.1"] * 2


def test_a_host_that_is_through_goes_back_with_the_one_that_waits(in_turn):
    operations.promote(in_turn).run(Silent())
    operations.rollback(in_turn, reason="slow").run(Silent())
    assert [serving(site) for site in in_turn.sites] == ["1.0.0"] * 2


def test_killed_while_the_second_batch_goes_on_it_is_resumed(in_turn, monkeypatch):
    operation = operations.promote(in_turn)
    assert kill(operation.parts, monkeypatch, 14, after=True, begins=operation.begins)
    left = interrupted.found(in_turn)
    for _ in range(3):
        done = (operations.resume if left and not left.pause else operations.promote)(in_turn)
        done.run(Silent())
        left = interrupted.found(in_turn)
        if left is None:
            break
    assert [serving(site) for site in in_turn.sites] == ["1.0.1"] * 2


@pytest.mark.parametrize("act", [down.plan, down.take_down])
def test_while_it_waits_no_single_host_is_taken_down(fleet, act):
    with pytest.raises(CheckFailed, match=r"deploy 1\.0\.1 is paused at 10 %"):
        act(fleet, down.Extent(), hosts=["web2"])
    assert shares(fleet) == [10, 10]
    assert unfinished(fleet.lead.journal.entries()).pause


@pytest.mark.parametrize("back", [operations.abort, operations.rollback])
@pytest.mark.parametrize("retains", [True, False])
def test_a_host_that_missed_the_release_before_goes_back_to_its_own(
    tmp_path, monkeypatch, back, retains
):
    make = builder(tmp_path, monkeypatch)
    sites = tuple(make(name, steps=[10, "pause", 60]) for name in ("web1", "web2"))
    behind = sites[1]
    behind.serve(behind.keep("0.9.0"))
    if not retains:
        behind.store.remove(behind.store.get("1.0.0"))
    Executor([begin(site) for site in sites], Silent()).run()
    back(Fleet(sites)).run(Silent())
    assert [serving(site) for site in sites] == ["1.0.0", "0.9.0"]


def test_an_abort_that_leaves_a_host_dark_says_so(fleet):
    # Its last act is to stop the other release, and the router dies meanwhile.
    engine = fleet.sites[1].engine
    stop = engine.stop

    def stopped(slot, services):
        stop(slot, services)
        engine.failure_reason_of_router = "the router is not running: Exited (137)"

    engine.stop = stopped
    with pytest.raises(ManualInterventionRequired, match=r"1\.0\.0 is live, but not") as error:
        operations.abort(fleet).run(Silent())
    assert "Exited (137)" in error.value.message
    assert "`inv deploy --env prod --version 1.0.0`" in error.value.remedy


def test_a_host_that_was_through_goes_back_with_one_that_fails_when_resumed(fleet, monkeypatch):
    first, second = fleet.sites
    operation = operations.promote(fleet)
    assert kill(operation.parts, monkeypatch, 2, after=True, begins=operation.begins)
    # Killed in the step that switches: one of them was faster.
    release = first.store.get("1.0.1")
    first.engine.stop("blue", ["worker"])
    first.engine.start(release, "green", {"worker": 1})
    first.engine.route(release, {"green": 100})
    assert shares(fleet) == [100, 10]
    second.engine.fail_on = {"route {'blue': 40, 'green': 60}"}
    with pytest.raises(RolledBack, match=r"1\.0\.0 serves all traffic on all 2 hosts"):
        operations.resume(fleet).run(Silent())
    assert [serving(site) for site in fleet.sites] == ["1.0.0"] * 2


def test_a_slot_that_still_has_users_is_left_by_them_before_it_is_emptied(fleet):
    # It was away while the others went on: for it 1.0.1 is still a canary.
    (_, behind), asked = fleet.sites, []
    target, start = behind.keep("1.0.2"), behind.engine.start

    def started(release, slot, services, ready=()):
        asked.append((release.id, dict(behind.engine.shares)))
        start(release, slot, services, ready)

    behind.engine.start = started
    behind.rollout = behind.rollout.model_copy(update={"strategy": "blue-green"})
    plan = plan_deploy(inputs(behind), candidate(target), behind.rollout)
    Executor([HostRollout(behind, plan)], Silent()).run()
    assert asked[0] == ("1.0.2", {"blue": 100})
    assert serving(behind) == "1.0.2"


def test_what_serves_is_said_of_hosts_that_were_not_reached_too(tmp_path, monkeypatch):
    make = builder(tmp_path, monkeypatch)
    sites = tuple(make(name) for name in ("web1", "web2"))
    for site in sites:
        site.rollout = site.rollout.model_copy(update={"batch_size": 1})
    sites[1].serve(sites[1].keep("0.9.0"))
    sites[0].engine.fail_on = {"start 1.0.1 api"}
    with pytest.raises(RolledBack, match=r"there serves web1: 1\.0\.0, web2: 0\.9\.0"):
        Executor([begin(site) for site in sites], Silent()).run()
