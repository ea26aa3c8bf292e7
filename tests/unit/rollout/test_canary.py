"""The canary: traffic in steps; killed anywhere in between it goes on from the share it had."""

import pytest
from canaries import begin, builder, routes
from test_executor import candidate, inputs
from test_interrupted import kill, serving

from towline.config.deploy_sections import Rollout
from towline.config.services import Role
from towline.environments.host_environment import Fleet
from towline.errors import ManualInterventionRequired, RolledBack, TowlineError
from towline.progress import Silent
from towline.rollout import interrupted, operations
from towline.rollout.executor import Executor
from towline.rollout.gates.bake import Bake
from towline.rollout.host_rollout import HostRollout
from towline.rollout.planner import plan_deploy
from towline.rollout.schedules import find_strategies
from towline.rollout.stages import Replicas, StrategySettings
from towline.routing.policy import ANYBODY
from towline.state.journal import unfinished
from towline.state.releases import Status


def schedule(wanted, **canary):
    settings = StrategySettings(Rollout(canary=canary))
    return find_strategies()["canary"].stages(wanted, settings)


def test_containers_follow_the_share_and_the_old_release_stays_full():
    stages = schedule(Replicas({"api": 8, "web": 1}, {"api": 6}), steps=["10%", 60])
    assert [(s.name, s.share, s.new["api"], s.new["web"], s.old) for s in stages] == [
        ("start", 0, 1, 1, {"api": 6}),
        ("canary-10", 10, 1, 1, {"api": 6}),
        ("canary-60", 60, 5, 1, {"api": 6}),
        ("switch", 100, 8, 1, {"api": 6}),
        ("finish", 100, 8, 1, {}),
    ]


def test_a_fixed_number_of_containers_stays_until_the_end():
    stages = schedule(Replicas({"api": 8, "web": 1}, {"api": 8}), replicas=3)
    assert [s.new["api"] for s in stages] == [3, 3, 3, 3, 8, 8]
    assert {s.new["web"] for s in stages} == {1}


def test_each_share_is_judged_for_the_window():
    stages = schedule(Replicas({"api": 1}, {"api": 1}), window="15m")
    assert [[gate.name for gate in s.gates] for s in stages[:2]] == [
        ["health", "smoke"], ["health", "bake"],
    ]  # fmt: skip
    assert stages[1].gates[1] == Bake(900.0, 2, (Role.APP,))
    assert [s.share for s in stages] == [0, 10, 25, 50, 100, 100]


def test_the_first_release_gets_all_containers_and_all_traffic_at_once():
    stages = schedule(Replicas({"api": 4}, {}))
    assert [(s.name, s.share, s.new) for s in stages][:2] == [
        ("start", 0, {"api": 4}), ("switch", 100, {"api": 4}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (["50%", "10%"], "larger share of traffic than the one before"),
        ([10, 10], "larger share of traffic than the one before"),
        (["100%"], "is no step: write a percentage between 1% and 99%"),
        (["half"], "is no step: write a percentage between 1% and 99%"),
        ([], "at least one share of traffic"),
    ],
)
def test_steps_that_are_none_are_refused(steps, said):
    with pytest.raises(ValueError, match=said):
        Rollout(canary={"steps": steps})


@pytest.fixture
def make(tmp_path, monkeypatch):
    return builder(tmp_path, monkeypatch)


def test_traffic_moves_in_steps(make):
    site = make()
    Executor([begin(site)], Silent()).run()
    assert routes(site)[1:4] == [
        "route {'blue': 90, 'green': 10}", "route {'blue': 40, 'green': 60}",
        "route {'green': 100}",
    ]  # fmt: skip
    assert serving(site) == "1.0.1"
    assert site.store.get("1.0.1").status is Status.GOOD


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("way", ["resume", "abort"])
def test_killed_at_every_entry_it_is_resumed_or_aborted(make, monkeypatch, way, after):
    positions = set()
    for entry in range(1, 60):
        site = make(entry)
        if not kill([begin(site)], monkeypatch, entry, after=after):
            break
        # The strategy of the operation counts, and not the one of whoever ends it.
        site.rollout = site.rollout.model_copy(update={"strategy": "blue-green"})
        fleet = Fleet((site,))
        left = interrupted.found(fleet)
        if left is None:
            continue
        share = site.engine.shares.get("green", 0)
        before = len(routes(site))
        operation = getattr(operations, way)(fleet)
        if operation.plan.nothing_to_do:
            interrupted.close(fleet, left)
        else:
            operation.run(Silent())
        assert serving(site) == ("1.0.1" if way == "resume" else "1.0.0"), entry
        assert unfinished(site.journal.entries()) is None
        if 0 < share < 100 and way == "resume":
            positions.add(share)
            assert f"route {{'blue': {100 - share}, 'green': {share}}}" in routes(site)[before:]
            assert "route {'blue': 100}" not in routes(site)[before:]
    assert positions == ({10, 60} if way == "resume" else set())


@pytest.mark.parametrize("share", [10, 60])
def test_what_fails_after_it_was_resumed_goes_back(make, monkeypatch, share):
    site = make()
    wanted = {"blue": 100 - share, "green": share}
    for entry in range(1, 60):
        assert kill([begin(site)], monkeypatch, entry, after=True)
        if site.engine.shares == wanted:
            break
        site = make(f"{share}-{entry}")
    site.engine.fail_on = {"settle 1.0.1"}
    with pytest.raises(RolledBack, match=r"1\.0\.0 serves all traffic"):
        operations.resume(Fleet((site,))).run(Silent())
    assert serving(site) == "1.0.0"
    assert site.engine.shares == {"blue": 100}


def test_users_are_told_apart_only_while_two_releases_share_them(make):
    site = make(stick="header", header="X-User", preview={"cookie": "try"}, steps=[10])
    told = []
    route = site.engine.route

    def routed(release, shares, policy=ANYBODY):
        told.append((dict(sorted(shares.items())), policy.stick, policy.preview_slot))
        route(release, shares, policy)

    site.engine.route = routed
    Executor([begin(site)], Silent()).run()
    # From the moment that it runs, whoever asks for the new release gets it.
    assert told[0] == ({"blue": 100, "green": 0}, "header", "green")
    assert told[1] == ({"blue": 90, "green": 10}, "header", "green")
    assert told[-1] == ({"green": 100}, "", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"stick": "header"}, "`stick: header` and `header` go together"),
        ({"header": "X-User"}, "`stick: header` and `header` go together"),
        ({"preview": {}}, "by a header or by a cookie: write one of them"),
        ({"preview": {"header": "X-A", "cookie": "b"}}, "by a header or by a cookie"),
        ({"preview": {"header": "X-A", "value": "a b;"}}, "should match pattern"),
        ({"preview": {"header": "X-A", "value": "default"}}, "a meaning of its own in nginx"),
        ({"preview": {"cookie": "a", "value": "include"}}, "a meaning of its own in nginx"),
        ({"stick": "header", "header": "X_$a"}, "should match pattern"),
    ],
)
def test_what_nginx_could_not_tell_apart_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        Rollout(canary=given)


def test_what_repairs_a_failed_way_back_sends_nobody_to_what_failed(tmp_path, monkeypatch):
    site = builder(tmp_path, monkeypatch)()
    route = site.engine.route

    def broken(release, shares, policy=ANYBODY):
        if site.engine.shares.get("green") == 60:
            raise TowlineError("the router does not answer")
        route(release, shares, policy)
        if shares.get("green") == 60:
            raise TowlineError("it cannot be reloaded")

    site.engine.route = broken
    with pytest.raises(ManualInterventionRequired) as error:
        Executor([begin(site)], Silent()).run()
    assert "`inv deploy --env prod --version 1.0.0`" in error.value.remedy
    assert site.engine.shares == {"blue": 40, "green": 60}
    site.engine.route, before = route, len(routes(site))
    again = plan_deploy(inputs(site), candidate(site.store.get("1.0.0")), site.rollout)
    Executor([HostRollout(site, again)], Silent()).run()
    assert set(routes(site)[before:]) == {"route {'blue': 100}"}
    assert serving(site) == "1.0.0"
