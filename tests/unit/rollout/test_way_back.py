"""Users come first: on the way back, when a host is lost, and at the end of an operation."""

import threading

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan, run, site
from test_fleet import parts, sites

from towline.errors import (
    ConnectionLost,
    EngineUnreachable,
    HostLost,
    HostUnreachable,
    ManualInterventionRequired,
    NoEngine,
    RolledBack,
    TowlineError,
)
from towline.progress import Silent
from towline.rollout import blame
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import HostRollout
from towline.state.releases import Status

__all__ = ["site", "sites"]
BACK, THERE = "route {'blue': 100}", "route {'green': 100}"


def after(calls, what):
    return calls[calls.index(what) + 1 :]


def failing_bake(engine):
    """The new worker crashes once it has traffic."""
    route = engine.route

    def crash(release, shares):
        route(release, shares)
        if shares == {"green": 100}:
            engine.containers["green", "worker"] = (release.id, False)

    engine.route = crash


def test_on_the_way_back_traffic_moves_before_all_that_takes_time(site):
    failing_bake(site.engine)
    with pytest.raises(RolledBack, match="gate bake failed"):
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    calls = after(site.engine.calls, THERE)
    assert calls[:2] == ["wait", BACK]
    assert {"settle 1.0.0", "stop green worker", "stop green api"} <= set(calls[1:])
    assert site.engine.containers["blue", "worker"] == ("1.0.0", True)


def test_an_old_release_that_is_not_healthy_gets_no_traffic_before_it_is(site):
    failing_bake(site.engine)
    route = site.engine.route

    def die(release, shares):
        route(release, shares)
        if shares == {"green": 100}:
            site.engine.containers["blue", "api"] = ("1.0.0", False)

    site.engine.route = die
    with pytest.raises(RolledBack):
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    calls = after(site.engine.calls, THERE)
    assert calls.index("settle 1.0.0") < calls.index("start 1.0.0 api") < calls.index(BACK)


def test_a_host_that_is_lost_holds_no_other_back(sites):
    """It gives no answer, and whoever waits for one only learns that after a while."""
    for one in sites:
        one.rollout = one.rollout.model_copy(update={"reconnect": 0.2})
    plans = parts(sites)
    back, switched = [threading.Event(), threading.Event()], threading.Event()
    for one, event in zip(sites[:2], back, strict=True):
        route = one.engine.route

        def told(release, shares, one=one, route=route, event=event):
            route(release, shares)
            if shares == {"green": 100} and one is sites[1]:
                switched.set()
            if shares == {"blue": 100} and THERE in one.engine.calls:
                event.set()

        one.engine.route = told
    failing_bake(sites[0].engine)
    seen, stop, reached = [], sites[2].engine.stop, threading.Event()
    hand_over = sites[0].engine.stop

    def late(slot, services):
        # The first one fails when the second has switched, and the third is lost.
        assert slot == "green" or (reached.wait(10) and switched.wait(10))
        hand_over(slot, services)

    sites[0].engine.stop = late

    def lost(slot, services):
        if not seen and slot == "green":
            return stop(slot, services)
        reached.set()
        seen.append([event.wait(10) for event in back])
        raise HostLost("the connection to web3 was lost")

    sites[2].engine.stop = lost
    with pytest.raises(ManualInterventionRequired, match="its rollback also failed on web3"):
        Executor(plans, Silent()).run()
    assert seen[0] == [True, True]
    assert [one.engine.shares for one in sites[:2]] == [{"blue": 100}] * 2


def test_an_app_that_died_after_its_gate_gets_no_traffic(site):
    stop = site.engine.stop

    def died(slot, services):
        stop(slot, services)
        if (slot, services) == ("blue", ["worker"]):
            site.engine.containers["green", "api"] = ("1.0.1", False)

    site.engine.stop = died
    with pytest.raises(RolledBack, match="exited with code 3"):
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert THERE not in site.engine.calls
    assert site.engine.shares == {"blue": 100}


@pytest.mark.parametrize("when", [THERE, "stop blue api"])
def test_a_router_that_dies_in_the_bake_or_at_the_end_is_started_again(site, when):
    killed = []

    def kill(act):
        def wrapped(*arguments):
            act(*arguments)
            if when in site.engine.calls and not killed:
                killed.append(1)
                site.engine.router = False

        return wrapped

    site.engine.route, site.engine.stop = kill(site.engine.route), kill(site.engine.stop)
    run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert killed
    assert site.engine.router
    assert site.engine.shares == {"green": 100}
    assert site.journal.entries()[-1]["data"] == {"ok": True}
    assert after(site.engine.calls, when).count("settle 1.0.1") == 1


def test_a_router_that_dies_again_and_again_is_a_failure(site):
    observe = site.engine.observe
    site.rollout = site.rollout.model_copy(update={"bake_time": 20.0})

    def dying():
        if site.engine.calls[-1:] == ["settle 1.0.1"] and THERE in site.engine.calls:
            site.engine.router = False
            site.engine.calls.append("died")
        return observe()

    site.engine.observe = dying
    route = site.engine.route

    def first(release, shares):
        route(release, shares)
        site.engine.router = site.engine.router and shares != {"green": 100}

    site.engine.route = first
    with pytest.raises(RolledBack, match=r"gate bake failed: .*the router"):
        run(site, deploy_plan(site, site.store.get("1.0.1")))


@pytest.mark.parametrize("what", ["router", "app"])
def test_what_stays_dead_at_the_end_is_no_success(site, what):
    reconcile, stop = site.engine.reconcile, site.engine.stop
    site.engine.crash = {("1.0.1", "api")} if what == "app" else set()
    start = site.engine.start

    def well_at_first(release, slot, services, ready=()):
        start(release, slot, services, ready)
        if "api" in services and "stop blue api" not in site.engine.calls:
            site.engine.containers[slot, "api"] = (release.id, True)

    def dead(slot, services):
        stop(slot, services)
        if (slot, services) == ("blue", ["api"]):
            site.engine.router = what != "router"
            if what == "app":
                site.engine.containers["green", "api"] = ("1.0.1", False)

    def useless(release):
        alive = site.engine.router
        done = reconcile(release)
        site.engine.router = alive
        return done

    site.engine.start, site.engine.stop, site.engine.reconcile = well_at_first, dead, useless
    site.engine._check = lambda: None
    with pytest.raises(
        ManualInterventionRequired, match=r"1\.0\.1 is live, but not served"
    ) as error:
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert "inv status --env prod" in error.value.remedy
    assert site.journal.entries()[-1]["data"]["ok"] is False


def test_a_host_that_is_lost_when_all_is_proven_takes_nobody_back(sites):
    plans = parts(sites)
    stop = sites[1].engine.stop

    def lost(slot, services):
        if (slot, services) == ("blue", ["api"]):
            raise HostLost("the connection to web2 was lost")
        stop(slot, services)

    sites[1].engine.stop = lost
    with pytest.raises(TowlineError, match="left to do: web2: stop the old release") as error:
        Executor(plans, Silent()).run()
    assert error.value.exit_code == 1
    assert error.value.message.startswith("1.0.1 is live")
    assert "`inv deploy --env prod` does the rest" in error.value.remedy
    assert [one.engine.shares for one in sites] == [{"green": 100}] * 3
    statuses = [one.store.get("1.0.1").status for one in sites]
    assert statuses == [Status.GOOD, Status.NEW, Status.GOOD]
    assert [one.engine.containers["blue", "api"][1] for one in sites] == [False, True, False]
    assert sites[0].journal.entries()[-1]["data"]["ok"] is True
    # And the next command does it.
    sites[1].engine.stop = stop
    again = parts(sites)
    assert [part.plan.nothing_to_do for part in again] == [True, False, True]
    Executor(again, Silent()).run()
    assert sites[1].engine.containers["blue", "api"] == ("1.0.0", False)
    assert sites[1].store.get("1.0.1").status is Status.GOOD


def test_in_batches_a_finish_that_fails_before_the_others_switched_goes_back(sites):
    for one in sites:
        one.rollout = one.rollout.model_copy(update={"batch_size": 1})
    plans = parts(sites)
    stop, failed = sites[0].engine.stop, []

    def lost(slot, services):
        if (slot, services) == ("blue", ["api"]) and not failed:
            failed.append(1)
            raise HostLost("the connection to web1 was lost")
        stop(slot, services)

    sites[0].engine.stop = lost
    with pytest.raises(RolledBack):
        Executor(plans, Silent()).run()
    assert [one.engine.shares for one in sites] == [{"blue": 100}] * 3


LOST = [
    HostUnreachable("web1 cannot be reached"),
    ConnectionLost("the connection to web1 was lost"),
    NoEngine("no Docker engine answers on web1"),
    EngineUnreachable("the connection to the engine of web1 broke"),
    ConnectionResetError("reset"),
    OSError(28, "No space left on device"),
]


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_what_a_release_runs_on_is_not_held_against_it(site, error):
    start, left = site.engine.start, [error]

    def broken(release, slot, services, ready=()):
        if release.id == "1.0.1" and left:
            raise left.pop()
        start(release, slot, services, ready)

    site.engine.start = broken
    with pytest.raises(RolledBack) as told:
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert site.store.get("1.0.1").status is Status.NEW
    assert "promote" not in told.value.remedy
    assert "`inv deploy --env prod` again; 1.0.1 is not marked bad" in told.value.remedy


@pytest.mark.parametrize("restarted", [True, False])
def test_an_engine_that_restarted_is_what_a_crash_is_blamed_on(site, restarted, monkeypatch):
    """A gate sees that a container ended, and not that all of them did."""
    started = site.folder / "docker.pid"
    monkeypatch.setattr(blame, "_ENGINE_STARTED", started)
    site.engine.crash = {("1.0.1", "api")}
    job = site.engine.run_job

    def restart(*arguments, **options):
        if restarted:
            started.write_text("1")
        return job(*arguments, **options)

    site.engine.run_job = restart
    with pytest.raises(RolledBack, match="exited with code 3"):
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    wanted = Status.NEW if restarted else Status.BAD
    assert site.store.get("1.0.1").status is wanted


def test_a_release_that_fails_beside_a_host_that_is_lost_is_bad(sites):
    plans = parts(sites)
    both = threading.Barrier(2, timeout=10)

    def lost(*_, **__):
        both.wait()
        raise HostLost("the connection to web2 was lost")

    def refused(*_, **__):
        both.wait()
        raise TowlineError("docker compose failed: no such command")

    for one, act in ((sites[0], lost), (sites[1], refused)):
        one.engine.start = once(act, one.engine.start)
    with pytest.raises(RolledBack):
        Executor(plans, Silent()).run()
    assert sites[2].store.get("1.0.1").status is Status.BAD


def once(first, then):
    """An act that does something else the first time."""
    done = []

    def act(*arguments, **options):
        if done:
            return then(*arguments, **options)
        done.append(1)
        return first(*arguments, **options)

    return act


def test_a_router_that_dies_in_the_switch_is_started_again(site):
    route, killed = site.engine.route, []

    def dies(release, shares):
        if shares == {"green": 100} and not killed:
            killed.append(1)
            site.engine.router = False
        route(release, shares)

    site.engine.route = dies
    run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert killed
    assert site.engine.shares == {"green": 100}


def test_a_first_deploy_whose_router_never_starts_leaves_nothing_to_repair(tmp_path):
    site = FakeHostEnvironment(tmp_path / "new")
    plan = deploy_plan(site, site.keep("1.0.1"))
    site.engine.fail_on = {"settle 1.0.1"}
    site.engine.router = False
    with pytest.raises(TowlineError, match="nothing served before, and nothing does now") as error:
        run(site, plan)
    assert error.value.exit_code == 1


def test_a_host_that_cannot_be_asked_at_the_end_is_named_with_what_works_without_it(
    sites, monkeypatch
):
    plans = parts(sites)
    unserved = HostRollout.unserved

    def nobody(part):
        if part.name == "web2":
            raise HostLost("the connection to web2 was lost")
        return unserved(part)

    monkeypatch.setattr(HostRollout, "unserved", nobody)
    with pytest.raises(ManualInterventionRequired, match="web2 cannot be asked") as error:
        Executor(plans, Silent()).run()
    assert "`inv deploy --env prod --without web2` works on web1, web3" in error.value.remedy
