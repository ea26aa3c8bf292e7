"""Steps by hand: a deploy pauses, is let go on, or is undone, by whoever comes along."""

import pytest
from canaries import begin, builder, routes
from invoke import Context
from test_interrupted import kill, serving

from towline.environments.host_environment import Fleet
from towline.errors import CheckFailed, RolledBack, UsageError
from towline.guard import process
from towline.insight import history
from towline.insight.history import Result
from towline.progress import Silent
from towline.rollout import by_hand, interrupted, operations, repair
from towline.rollout.events import Ended
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import PlanOutdated
from towline.rollout.listeners.step_summary import StepSummary
from towline.routing.policy import ANYBODY
from towline.state import hold, pause_request
from towline.state.actor import current
from towline.state.journal import unfinished
from towline.state.releases import Status
from towline.tasks import cli
from towline.tasks import deploy as deploy_tasks


@pytest.fixture
def make(tmp_path, monkeypatch):
    return builder(tmp_path, monkeypatch)


@pytest.fixture
def paused(make):
    """A canary that waits at 10 %."""
    site = make(steps=[10, "pause", 60])
    executor = Executor([begin(site)], Silent())
    executor.run()
    assert executor.paused.name == "canary-10"
    return site


def left_of(site):
    return unfinished(site.journal.entries())


def test_a_pause_is_no_end_and_nothing_is_held(paused):
    assert paused.engine.shares == {"blue": 90, "green": 10}
    assert not paused.state.lock.exists()
    pause = left_of(paused).pause
    assert (pause.step, pause.share, pause.actor) == ("canary-10", 10, current())
    assert pause.verdict.startswith("health: 1 of 1 healthy")
    (row,) = history.operations(paused, last=9)
    assert (row.result, row.reason) == (Result.PAUSED, "at 10 % of traffic, after step canary-10")
    assert paused.journal.verify() == []


@pytest.mark.parametrize("act", [interrupted.refuse, operations.resume])
def test_whoever_wants_something_else_is_told_what_to_type(paused, act):
    said = r"deploy 1\.0\.1 is paused at 10 % of traffic, after step canary-10, by "
    with pytest.raises(CheckFailed, match=said) as error:
        act(Fleet((paused,)))
    assert "`inv deploy.promote --env prod` goes on" in error.value.remedy
    assert "`inv deploy.abort --env prod` rolls it back to 1.0.0" in error.value.remedy


def test_it_is_let_go_on_to_the_next_step_and_to_the_end(paused):
    before = len(routes(paused))
    operation = operations.promote(Fleet((paused,)), reason="figures are good")
    assert [step.name for step in operation.plan.steps] == [
        "reconcile", "canary-60", "switch", "finish", "finalize",
    ]  # fmt: skip
    assert operation.run(Silent()) is None
    assert routes(paused)[before:][:2] == [
        "route {'blue': 40, 'green': 60}",
        "route {'green': 100}",
    ]
    assert serving(paused) == "1.0.1"
    begun = [e["data"] for e in paused.journal.entries() if e["event"] == "begin"][-1]
    assert (begun["passed"], begun["reason"]) == ("canary-10", "figures are good")
    assert begun["actor"] == current().data()
    assert left_of(paused) is None
    with pytest.raises(UsageError, match="nothing is paused in prod"):
        operations.promote(Fleet((paused,)))


def test_a_hold_stops_it_where_it_is_and_leaves_the_way_back(paused):
    operation = operations.promote(Fleet((paused,)))
    hold.put(paused.files, paused.state, "call the team")
    with pytest.raises(CheckFailed, match="prod is on hold: call the team"):
        operation.run(Silent())
    assert paused.engine.shares == {"blue": 90, "green": 10}
    assert left_of(paused).pause
    operations.abort(Fleet((paused,))).run(Silent())
    assert serving(paused) == "1.0.0"


def test_a_hold_stops_a_deploy_that_was_killed_too(make, monkeypatch):
    site = make()
    assert kill([begin(site)], monkeypatch, 10, after=True)
    hold.put(site.files, site.state, "call the team")
    with pytest.raises(CheckFailed, match="prod is on hold"):
        operations.resume(Fleet((site,))).run(Silent())


def test_one_whose_version_was_named_goes_on_in_spite_of_a_hold(make):
    site = make(steps=[10, "pause", 60, "pause"])
    hold.put(site.files, site.state, "rolled back from 1.0.2")
    Executor([begin(site)], Silent(), begins={"by_version": True}).run()
    assert operations.promote(Fleet((site,))).run(Silent()).name == "canary-60"
    assert operations.promote(Fleet((site,))).run(Silent()) is None
    assert serving(site) == "1.0.1"


def test_full_skips_the_steps_in_between(paused):
    before = len(routes(paused))
    operations.promote(Fleet((paused,)), full=True).run(Silent())
    assert routes(paused)[before:][0] == "route {'green': 100}"
    assert serving(paused) == "1.0.1"


def test_it_waits_before_any_traffic_and_at_the_last_step_too(make):
    site = make(steps=["pause", 10, 60, "pause"])
    Executor([begin(site)], Silent()).run()
    assert site.engine.shares == {"blue": 100}
    assert left_of(site).pause.share == 0
    assert operations.promote(Fleet((site,))).run(Silent()).name == "canary-60"
    assert site.engine.shares == {"blue": 40, "green": 60}
    # Most of the traffic is the new release's by now, and the old one is the way back all the same.
    operations.abort(Fleet((site,))).run(Silent())
    assert (serving(site), left_of(site)) == ("1.0.0", None)


@pytest.mark.parametrize("steps", [[10, "pause", 60], [60, "pause"]])
def test_a_rollback_undoes_it_marks_it_bad_and_holds(make, steps):
    site = make(steps=steps)
    Executor([begin(site)], Silent()).run()
    fleet = Fleet((site,))
    with pytest.raises(UsageError, match=r"deploy 1\.0\.1 did not end, and shares the traffic"):
        operations.rollback(fleet, version="0.9.0")
    operation = operations.rollback(fleet, reason="p95 doubled")
    assert (operation.leaves, operation.goes_to) == ("1.0.1", "1.0.0")
    before = len(routes(site))
    operation.run(Silent())
    assert set(routes(site)[before:]) == {"route {'blue': 100}"}
    assert (serving(site), left_of(site)) == ("1.0.0", None)
    assert site.store.get("1.0.1").status is Status.BAD
    assert site.store.get("1.0.0").status is Status.GOOD
    assert hold.read(site.files, site.state).reason == "rolled back from 1.0.1: p95 doubled"


@pytest.mark.parametrize(
    ("again", "reason"),
    [
        (operations.resume, "slow"),
        (operations.abort, "slow"),
        (operations.rollback, "slow"),
        (lambda fleet: operations.rollback(fleet, reason="very slow"), "very slow"),
    ],
)
def test_a_rollback_that_was_killed_ends_as_the_same_rollback(make, monkeypatch, again, reason):
    for entry in range(1, 4):
        site = make(f"{entry}", steps=[10, "pause", 60])
        Executor([begin(site)], Silent()).run()
        fleet = Fleet((site,))
        operation = operations.rollback(fleet, reason="slow")
        assert kill(operation.parts, monkeypatch, entry, after=True, begins=operation.begins)
        with pytest.raises(CheckFailed, match="a rollback holds prod"):
            interrupted.refuse_to_deploy_after(fleet, "")
        with pytest.raises(UsageError, match=r"the way back from 1\.0\.1 to 1\.0\.0 did not end"):
            operations.rollback(fleet, version="0.9.0")
        again(fleet).run(Silent())
        assert (serving(site), left_of(site)) == ("1.0.0", None)
        assert hold.read(site.files, site.state).reason == f"rolled back from 1.0.1: {reason}"
        assert site.store.get("1.0.1").status is Status.BAD


def test_an_abort_that_was_killed_is_ended_before_anything_is_rolled_back(paused, monkeypatch):
    fleet = Fleet((paused,))
    paused.keep("0.9.0", status=Status.GOOD)
    assert kill(operations.abort(fleet).parts, monkeypatch, 3, after=True)
    assert paused.engine.shares == {"blue": 100}
    with pytest.raises(CheckFailed, match=r"abort 1\.0\.1 was interrupted"):
        operations.rollback(fleet)
    forced = operations.rollback(fleet, version="0.9.0", force=True)
    assert forced.goes_to == "0.9.0"
    operations.resume(fleet).run(Silent())
    assert hold.read(paused.files, paused.state) is None


def test_a_rollback_planned_while_a_deploy_ran_does_not_go_past_its_pause(make):
    site = make(steps=[10, "pause", 60])
    site.store.mark(site.keep("1.0.2"), Status.GOOD)
    fleet = Fleet((site,))
    plans = {force: operations.rollback(fleet, version="1.0.2", force=force) for force in (0, 1)}
    Executor([begin(site)], Silent()).run()
    with pytest.raises(PlanOutdated, match=r"deploy 1\.0\.1 is paused since the plan was made"):
        plans[0].run(Silent())
    assert site.engine.shares == {"blue": 90, "green": 10}
    # In an emergency nothing stops it.
    plans[1].run(Silent())
    assert serving(site) == "1.0.2"


def test_a_guard_watches_once_it_has_all_traffic(make, monkeypatch):
    watched = []
    monkeypatch.setattr(process, "start_after_deploy", lambda site, _: watched.append(site))
    site = make(steps=[10, "pause", 60, "pause"])
    monkeypatch.setattr(cli, "open_fleet", lambda env, **_: Fleet((site,)))
    Executor([begin(site)], Silent()).run()
    deploy_tasks.promote_(Context(), env="prod")
    assert watched == []
    deploy_tasks.promote_(Context(), env="prod")
    assert watched == [site]


def test_a_guard_watches_what_was_resumed_and_no_way_back(make, monkeypatch):
    watched = []
    monkeypatch.setattr(process, "start_after_deploy", lambda site, _: watched.append(site.folder))
    for entry, back in ((10, False), (11, True)):
        site = make(entry)
        monkeypatch.setattr(cli, "open_fleet", lambda env, site=site, **_: Fleet((site,)))
        assert kill([begin(site)], monkeypatch, entry, after=True)
        if back:
            assert kill(operations.abort(Fleet((site,))).parts, monkeypatch, 1, after=True)
        deploy_tasks.resume_(Context(), env="prod")
        assert serving(site) == ("1.0.0" if back else "1.0.1")
    assert [folder.name for folder in watched] == ["10"]


def test_what_fails_after_it_was_let_go_on_goes_back(paused):
    paused.engine.fail_on = {"route {'blue': 40, 'green': 60}"}
    with pytest.raises(RolledBack, match=r"at step canary-60.*; 1\.0\.0 serves all traffic"):
        operations.promote(Fleet((paused,))).run(Silent())
    assert serving(paused) == "1.0.0"
    assert paused.store.get("1.0.1").status is Status.BAD


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("way", ["resume", "abort"])
def test_killed_at_every_entry_after_that_it_does_not_wait_again(make, monkeypatch, way, full):
    reached = 0
    for entry in range(1, 30):
        site = make(entry, steps=[10, "pause", 60])
        Executor([begin(site)], Silent()).run()
        operation = operations.promote(Fleet((site,)), full=full)
        killed = kill(operation.parts, monkeypatch, entry, after=True, begins=operation.begins)
        fleet, left = Fleet((site,)), interrupted.found(Fleet((site,)))
        if not killed or left is None:
            continue
        reached += 1
        before = len(routes(site))
        again = getattr(operations, way)(fleet)
        if again.plan.nothing_to_do:
            interrupted.close(fleet, left)
        else:
            assert again.run(Silent()) is None
        assert serving(site) == ("1.0.1" if way == "resume" else "1.0.0")
        assert not (full and "route {'blue': 40, 'green': 60}" in routes(site)[before:])
    assert reached >= 5


def test_killed_before_it_paused_it_pauses_when_it_is_resumed(make, monkeypatch):
    for entry in range(1, 40):
        site = make(entry, steps=[10, "pause", 60])
        if not kill([begin(site)], monkeypatch, entry, after=False):
            break
        left = interrupted.found(Fleet((site,)))
        if left is None:
            continue
        assert operations.resume(Fleet((site,))).run(Silent()).name == "canary-10"
        assert site.engine.shares == {"blue": 90, "green": 10}


def test_a_running_deploy_is_asked_to_pause_and_says_who_asked(make):
    site = make()
    executor = Executor([begin(site)], Silent())
    site.engine.route = ask_at(site, 60, executor)
    executor.run()
    assert executor.paused.name == "canary-60"
    pause = left_of(site).pause
    assert (pause.share, pause.reason) == (60, "errors look odd")
    assert not site.state.pause_request.exists()


def test_only_the_lead_is_asked_to_pause(make, monkeypatch):
    # Another host that is away must not keep a person from stopping a deploy.
    monkeypatch.setattr(cli, "open_fleet", None)
    site, asked = make(), []
    monkeypatch.setattr(cli, "open_lead_environment", lambda env: site)
    monkeypatch.setattr(by_hand, "ask_to_pause", lambda *given: asked.append(given) or "1.0.1")
    deploy_tasks.pause_(Context(), env="prod", reason="odd")
    assert asked == [(site, "odd")]


def test_a_request_for_another_operation_stops_nobody(make):
    site = make()
    pause_request.put(site.files, site.state, "an older one", "too late")
    executor = Executor([begin(site)], Silent())
    executor.run()
    assert executor.paused is None
    assert serving(site) == "1.0.1"
    assert not site.state.pause_request.exists()


def ask_at(site, share, executor):
    """Somebody asks for a pause while traffic moves to a share."""
    route = site.engine.route

    def routed(release, shares, policy=ANYBODY):
        if shares.get("green") == share:
            assert by_hand.ask_to_pause(site, "errors look odd") == "1.0.1"
        route(release, shares, policy)

    return routed


def test_where_none_is_running_nobody_is_asked(make, paused):
    for site, said in ((make("idle"), "none is running"), (paused, "it is paused already")):
        with pytest.raises(UsageError, match=f"no deploy to pause in prod: {said}"):
            by_hand.ask_to_pause(site, "")


def test_a_journal_that_is_repaired_still_says_where_it_waits(paused):
    was = left_of(paused).pause
    path = paused.state.journal
    path.write_text("null\n" + path.read_text())
    paused.journal._last = None
    repair.repair_journal(Fleet((paused,)))
    now = left_of(paused).pause
    assert (now.step, now.share, now.actor) == (was.step, was.share, was.actor)
    assert now.verdict == was.verdict


def test_who_listens_is_told_that_it_is_paused(make, tmp_path):
    site, summary, heard = make(steps=[10, "pause", 60]), tmp_path / "summary.md", []
    listeners = [heard.append, StepSummary(summary)]
    Executor([begin(site)], Silent(), listeners=listeners).run()
    assert heard[-1] == Ended(paused="at 10 % of traffic, after step canary-10")
    first = summary.read_text().splitlines()[0]
    assert first.endswith("to prod: paused at 10 % of traffic, after step canary-10")
