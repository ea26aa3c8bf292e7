"""Strategies are pure: every schedule in the table keeps the promises the executor relies on."""

import itertools
from pathlib import Path

import pytest
from fakes import FakeHostEnvironment
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from test_executor import candidate, inputs, run

from towline.config.deploy_sections import Rollout
from towline.errors import RolledBack, UsageError
from towline.rollout import strategies as package
from towline.rollout.gates.base import GateContext, GateOutcome, Verdict
from towline.rollout.gates.health import Health
from towline.rollout.planner import plan_deploy
from towline.rollout.schedules import find_strategies, restore, rollback
from towline.rollout.stages import Replicas, StrategySettings, Workers
from towline.rollout.transition import Transition
from towline.state.releases import Status

TOYS = Path(__file__).parent / "toys"
BUILT_IN = ["blue-green", "canary", "recreate", "rolling"]
quick = hypothesis_settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
counts = st.dictionaries(st.sampled_from(["api", "web", "admin"]), st.integers(1, 9), min_size=1)
given_replicas = st.builds(Replicas, counts, st.one_of(st.just({}), counts))


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """A toy strategy and its toy gate: one file each."""
    monkeypatch.syspath_prepend(TOYS)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(TOYS / "strategies")])
    monkeypatch.setattr(package.__spec__, "submodule_search_locations", package.__path__)


def rollout(**changes):
    given = {"bake_time": 0, "health_timeout": 1, "drain": 0, "canary": {"window": 0}}
    return Rollout(**{**given, **changes})


def schedules(replicas, watch=0):
    settings = StrategySettings(rollout(bake_time=watch))
    return {name: item.stages(replicas, settings) for name, item in find_strategies().items()}


def test_strategies_are_found_by_their_files():
    assert sorted(find_strategies()) == sorted([*BUILT_IN, "one-by-one"])


@quick
@given(given_replicas, st.integers(0, 600))
def test_every_schedule_ends_with_the_new_release_alone(replicas, watch):
    for stages in schedules(replicas, watch).values():
        last = stages[-1]
        assert dict(last.new) == replicas.new
        assert (last.runs_old, last.share, last.workers) == (False, 100, Workers.NEW)


@quick
@given(given_replicas)
def test_no_stage_sends_traffic_to_containers_that_are_not_there(replicas):
    for stages in schedules(replicas).values():
        for stage in stages:
            assert 0 <= stage.share <= 100
            assert stage.share == 0 or all(stage.new.get(name) for name in replicas.new)
            if 0 < stage.share < 100:
                assert stage.runs_old


@quick
@given(given_replicas)
def test_health_is_asked_before_the_first_traffic(replicas):
    for name, stages in schedules(replicas).items():
        until = next(n for n, stage in enumerate(stages) if stage.share)
        passed = [gate.name for stage in stages[: until + 1] for gate in stage.gates]
        assert passed[0] == "health"
        if name in BUILT_IN:
            assert passed[:2] == ["health", "smoke"]


@quick
@given(given_replicas)
def test_no_stage_falls_below_the_capacity_that_its_strategy_promises(replicas):
    settings = StrategySettings(rollout())
    for strategy in find_strategies().values():
        least = strategy.capacity(replicas, settings)
        for stage in strategy.stages(replicas, settings):
            for name, count in least.items():
                served = stage.new.get(name, 0) if stage.share else 0
                served += stage.old.get(name, 0) if stage.share < 100 else 0
                assert served >= count, stage.name


def test_only_recreate_promises_nothing():
    replicas, settings = Replicas({"api": 4}, {"api": 3}), StrategySettings(rollout())
    found = {name: s.capacity(replicas, settings) for name, s in find_strategies().items()}
    full = {"api": 3}
    assert found == {**dict.fromkeys(found, full), "recreate": {}}


@given(counts)
def test_recreate_never_runs_two_releases_at_once(found):
    stages = schedules(Replicas(found, found))["recreate"]
    assert not any(stage.runs_new and stage.runs_old for stage in stages)


@given(counts)
def test_restore_undoes_every_stage_of_every_schedule(old):
    stage = restore(old, 7.0)
    assert (stage.runs_new, dict(stage.old), stage.share) == (False, old, 0)
    assert (stage.workers, stage.gates) == (Workers.OLD, ())
    assert stage.old_gates == (Health(7.0),)


def test_a_rollback_proves_health_and_nothing_slower():
    stages = rollback(Replicas({"api": 2}, {"api": 1}), StrategySettings(rollout(health_timeout=7)))
    assert [stage.name for stage in stages] == ["start", "switch", "finish"]
    assert [gate for stage in stages for gate in stage.gates] == [Health(7.0)] * 2


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_time_to_bake_is_no_gate(name):
    for watch in (0, 5):
        stages = schedules(Replicas({"api": 1}, {}), watch)[name]
        assert any(gate.name == "bake" for s in stages for gate in s.gates) is bool(watch)


class Walk:
    """Transitions on an engine in memory, which counts who serves at every act."""

    def __init__(self, folder, old, new):
        self.site = FakeHostEnvironment(folder)
        self.site.serve(self.site.keep("1.0.0"))
        self.site.keep("1.0.1")
        self.engine = self.site.engine
        self.engine.replicas = {("blue", "api"): old}
        self.least = old
        check = self.engine._check

        def counted():
            check()
            self.least = min(self.least, self.serving())

        self.engine._check = counted
        self.transition = Transition(
            self.engine, self.context("1.0.1", "green"), self.context("1.0.0", "blue"),
            rollout(), lambda: None,
        )  # fmt: skip
        self.replicas = Replicas({"api": new}, {"api": old})

    def context(self, version, slot):
        release = self.site.store.get(version)
        return GateContext(self.engine, release, slot, self.site.folder, lambda: None)

    def running(self, slot):
        _, runs = self.engine.containers.get((slot, "api"), ("", False))
        return self.engine.replicas.get((slot, "api"), 1) if runs else 0

    def serving(self):
        return sum(self.running(slot) for slot, share in self.engine.shares.items() if share)

    def assert_at(self, stage):
        assert self.running("green") == stage.new.get("api", 0)
        assert self.running("blue") == stage.old.get("api", 0)
        shares = {"green": stage.share, "blue": 100 - stage.share if stage.runs_old else 0}
        wanted = {slot: share for slot, share in shares.items() if share}
        assert self.engine.shares == (wanted if sum(wanted.values()) == 100 else {})


@pytest.mark.parametrize("name", [*BUILT_IN, "one-by-one"])
@pytest.mark.parametrize(("old", "new"), [(1, 1), (3, 3), (4, 2), (2, 5)])
def test_the_capacity_holds_at_every_act_between_the_stages_too(tmp_path, name, old, new):
    walk = Walk(tmp_path, old, new)
    strategy, settings = find_strategies()[name], StrategySettings(rollout())
    for stage in strategy.stages(walk.replicas, settings):
        walk.transition.to(stage)
        walk.assert_at(stage)
    assert walk.least >= strategy.capacity(walk.replicas, settings).get("api", 0)


@pytest.mark.parametrize("name", [*BUILT_IN, "one-by-one", "rollback"])
def test_every_stage_is_reached_from_every_other(tmp_path, name):
    walk = Walk(tmp_path, 3, 4)
    way_back = restore(walk.replicas.old, 1)
    stages = {
        **schedules(walk.replicas),
        "rollback": rollback(walk.replicas, StrategySettings(rollout())),
    }[name]
    for first, second in itertools.permutations([*stages, way_back], 2):
        for stage in (first, second):
            walk.transition.to(stage)
            walk.assert_at(stage)
            walk.transition.to(stage)
            walk.assert_at(stage)


@pytest.fixture
def site(tmp_path):
    made = FakeHostEnvironment(tmp_path)
    made.serve(made.keep("1.0.0", replicas=3))
    made.engine.replicas = {("blue", "api"): 3}
    made.keep("1.0.1", replicas=3)
    made.rollout = rollout(strategy="one-by-one")
    return made


def toy_plan(site, count=3):
    release = site.store.get("1.0.1")
    return plan_deploy(inputs(site), candidate(release, replicas={"api": count}), site.rollout)


def test_a_strategy_and_a_gate_are_added_by_one_file_each(site):
    plan = toy_plan(site)
    stages = [step.name for step in plan.steps if step.stage]
    assert stages == ["1 of 3", "2 of 3", "3 of 3"]
    assert "       gates: health, few-lines" in list(plan.lines())
    assert plan.data()["steps"][2]["stage"]["gates"] == ["health", "few-lines"]
    run(site, plan)
    assert site.engine.shares == {"green": 100}
    assert site.engine.containers["blue", "api"] == ("1.0.0", False)
    routes = [call for call in site.engine.calls if call.startswith("route")]
    assert routes[0] == "route {'blue': 67, 'green': 33}"
    notes = [e["data"]["note"] for e in site.journal.entries()
             if (e["event"], e["step"]) == ("outcome", "3 of 3")]  # fmt: skip
    assert "few-lines: 0 lines with PANIC" in notes[0]


def test_an_unknown_strategy_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"'rollng'; known: blue-green, canary, one-by"):
        Rollout(strategy="rollng")


def printing(*lines):
    def logs(container, count, within=None):
        return list(lines)

    return logs


@pytest.mark.parametrize(
    ("logs", "said", "status"),
    [
        (printing("PANIC"), "gate few-lines failed: 1 lines with PANIC", Status.BAD),
        (printing(), "gate few-lines is inconclusive: nothing was printed", Status.NEW),
        (None, "gate few-lines could not be asked: TypeError", Status.NEW),
    ],
)
def test_an_error_is_no_failure_and_marks_no_release_bad(site, logs, said, status):
    site.engine.logs = logs
    with pytest.raises(RolledBack) as error:
        run(site, toy_plan(site))
    assert said in error.value.message
    assert site.store.get("1.0.1").status is status
    assert site.engine.shares == {"blue": 100}
    assert ("not marked bad" in error.value.remedy) is (status is Status.NEW)


def test_a_strategy_that_needs_a_router_says_so(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    new = candidate(site.keep("1.0.1"), roles={"api": "app"})
    with pytest.raises(UsageError, match="one-by-one needs a router"):
        plan_deploy(inputs(site), new, rollout(strategy="one-by-one"))


def test_a_verdict_keeps_its_figures():
    verdict = Verdict(GateOutcome.PASS, "3 of 3 healthy", {"healthy": 3})
    assert (str(verdict.outcome), verdict.figures["healthy"]) == ("pass", 3)
