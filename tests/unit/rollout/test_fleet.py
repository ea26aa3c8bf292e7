"""Several hosts move as one: a step is done when all have done it, and all roll back together."""

import signal

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan

from towline.environments.host_environment import Fleet
from towline.errors import (
    HostLost,
    ManualInterventionRequired,
    NoEngine,
    RolledBack,
    TowlineError,
    UsageError,
)
from towline.progress import Silent
from towline.rollout.executor import Executor, merge_orders
from towline.rollout.host_rollout import HostRollout
from towline.state.releases import Status


@pytest.fixture
def sites(tmp_path):
    """1.0.0 is live on three hosts, 1.0.1 is retained and new."""
    found = []
    for name in ("web1", "web2", "web3"):
        site = FakeHostEnvironment(tmp_path / name, host_name=name)
        site.serve(site.keep("1.0.0"))
        site.keep("1.0.1")
        found.append(site)
    return found


def parts(sites):
    return [HostRollout(site, deploy_plan(site, site.store.get("1.0.1"))) for site in sites]


def serving(sites):
    return [site.engine.containers[next(iter(site.engine.shares)), "api"][0] for site in sites]


def test_all_hosts_get_the_release(sites):
    Executor(parts(sites), Silent()).run()
    assert serving(sites) == ["1.0.1"] * 3
    assert [site.store.get("1.0.1").status for site in sites] == [Status.GOOD] * 3
    entries = sites[0].journal.entries()
    assert entries[0]["data"]["hosts"] == ["web1", "web2", "web3"]
    notes = [e["data"]["note"] for e in entries if (e["event"], e["step"]) == ("outcome", "start")]
    assert notes[0].startswith("3 hosts; web1: health: 1 of 1 healthy")
    assert sites[1].journal.entries() == []
    assert sites[0].journal.verify() == []


@pytest.mark.parametrize("bad", [0, 1, 2])
@pytest.mark.parametrize(
    "what", ["settle 1.0.1", "job migrate", "start 1.0.1 api", "route {'green': 100}"]
)
def test_when_one_host_fails_no_host_is_left_on_the_new_release(sites, bad, what):
    plans = parts(sites)
    sites[bad].engine.fail_on = {what}
    with pytest.raises(RolledBack, match=r"1\.0\.0 serves all traffic on all 3 hosts") as error:
        Executor(plans, Silent()).run()
    assert f"on web{bad + 1}: " in error.value.message
    assert serving(sites) == ["1.0.0"] * 3
    for site in sites:
        assert not site.engine.containers.get(("green", "api"), ("", False))[1]
    assert not sites[0].state.lock.exists()
    others = [f"web{number + 1}" for number in range(3) if number != bad]
    for name in others:
        assert any(line.startswith(name) for line in error.value.details), error.value.details


def test_a_host_that_cannot_go_back_does_not_keep_the_others_from_it(sites):
    plans = parts(sites)
    sites[2].engine.fail_on = {"start 1.0.1 api"}
    sites[1].engine.fail_on = {"settle 1.0.0"}
    with pytest.raises(
        ManualInterventionRequired, match="its rollback also failed on web2: settle"
    ) as error:
        Executor(plans, Silent()).run()
    assert error.value.exit_code == 6
    # Its engine answers: leaving it out would help nobody.
    assert "--without" not in error.value.remedy
    assert sites[0].engine.shares == {"blue": 100}
    assert sites[2].engine.shares == {"blue": 100}


@pytest.mark.parametrize(("lost", "named"), [
    ((2,), ("while web3 cannot be reached: `inv deploy --env prod --version 1.0.0 --without web3` "
           "works on web1, web2")),
    ((1, 2), "`inv deploy --env prod --version 1.0.0 --without web2,web3` works on web1"),
    ((0,), ("web1 is the lead: `inv hosts.lead --env prod --host web2` makes web2 the lead, and "
           "then `inv deploy --env prod --version 1.0.0 --without web1` works on web2, web3")),
    ((0, 1, 2), ""),
])  # fmt: skip
def test_when_hosts_cannot_be_reached_exit_6_names_what_works_on_the_others(sites, lost, named):
    plans = parts(sites)
    sites[0].engine.fail_on = {"start 1.0.1 api"}

    def away(release, renewed=None, *, spare=False):
        if release.id == "1.0.0":
            raise HostLost("no answer")
        return []

    for number in lost:
        sites[number].rollout = sites[number].rollout.model_copy(update={"reconnect": 0.1})
        sites[number].engine.reconcile = away
    with pytest.raises(ManualInterventionRequired, match="its rollback also failed") as error:
        Executor(plans, Silent()).run()
    remedy = error.value.remedy
    assert remedy.startswith("look at `inv status --env prod`, fix the cause, then ")
    assert named in remedy
    assert ("--without" in remedy) is bool(named)


def test_hosts_go_in_batches_and_those_that_switched_go_back_too(sites):
    for site in sites:
        site.rollout = site.rollout.model_copy(update={"batch_size": 1})
    plans = parts(sites)
    sites[1].engine.fail_on = {"start 1.0.1 api"}
    with pytest.raises(RolledBack):
        Executor(plans, Silent()).run()
    assert "route {'green': 100}" in sites[0].engine.calls
    assert "start 1.0.1 api" not in sites[2].engine.calls
    assert serving(sites) == ["1.0.0"] * 3


def test_a_host_that_waits_stops_waiting_when_another_fails(sites):
    for site in sites[1:]:
        site.rollout = site.rollout.model_copy(update={"bake_time": 60.0})
    plans = parts(sites)
    sites[0].engine.fail_on = {"route {'green': 100}"}
    with pytest.raises(RolledBack) as error:
        Executor(plans, Silent()).run()
    assert "web2 cancelled" in error.value.details


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_takes_all_hosts_back(sites, number):
    plans = parts(sites)
    job = sites[1].engine.run_job

    def interrupted(*arguments, **options):
        signal.raise_signal(number)
        return job(*arguments, **options)

    # A step that is done one host after another runs in a thread too.
    sites[1].engine.run_job = interrupted
    with pytest.raises(RolledBack, match=f"interrupted by {number.name} at step ") as error:
        Executor(plans, Silent()).run()
    # Where it was noticed first, and that the others stopped for it, says nothing.
    assert error.value.details == ()
    assert serving(sites) == ["1.0.0"] * 3
    assert [site.store.get("1.0.1").status for site in sites] == [Status.NEW] * 3


def test_a_host_that_has_the_release_already_is_left_alone(sites):
    sites[1].serve(sites[1].store.get("1.0.1"), "green")
    sites[1].engine.containers["blue", "worker"] = ("1.0.0", False)
    sites[1].engine.containers["blue", "api"] = ("1.0.0", False)
    plans = parts(sites)
    assert plans[1].plan.nothing_to_do
    Executor(plans, Silent()).run()
    assert serving(sites) == ["1.0.1"] * 3
    assert sites[1].engine.calls == []


def test_an_image_is_built_once(sites):
    built = []
    plans = [
        HostRollout(
            site,
            deploy_plan(site, site.store.get("1.0.1"), retained=None, to_build=("api",)),
            {name: lambda _, name=name: built.append(name) or "" for name in ("build", "prepare")},
        )
        for site in sites
    ]
    Executor(plans, Silent()).run()
    assert sorted(built) == ["build", "prepare", "prepare", "prepare"]


def test_nothing_is_done_when_one_host_changed_since_the_plan(sites):
    plans = parts(sites)
    sites[2].serve(sites[2].store.get("1.0.1"), "green")
    sites[2].engine.containers["blue", "worker"] = ("1.0.0", False)
    with pytest.raises(UsageError, match="changed since the plan was made"):
        Executor(plans, Silent()).run()
    assert [site.engine.calls for site in sites] == [[], [], []]


def test_the_steps_of_hosts_are_merged_in_order():
    assert merge_orders([["a", "b", "d"], ["a", "c", "d"], []]) == ["a", "c", "b", "d"]
    assert merge_orders([["b"], ["a", "b"]]) == ["a", "b"]


def test_the_first_error_of_a_fleet_is_told_when_all_are_done(sites):
    done = []

    def act(site):
        done.append(site.host.name)
        if site.host.name == "web2":
            raise TowlineError("web2 says no")

    with pytest.raises(TowlineError, match="web2 says no"):
        Fleet(tuple(sites)).each(act)
    assert sorted(done) == ["web1", "web2", "web3"]


def test_a_host_whose_engine_is_away_names_what_works_on_the_others(sites):
    def gone(site):
        if site is sites[1]:
            raise NoEngine("no Docker engine answers on web2", remedy="start it")

    with pytest.raises(NoEngine) as error:
        Fleet(tuple(sites)).each(gone)
    assert error.value.remedy == "start it; `--without web2` works on the other hosts of prod"
    # Of the only host nothing else would work.
    with pytest.raises(NoEngine) as error:
        Fleet((sites[1],)).each(gone)
    assert "--without" not in error.value.remedy
