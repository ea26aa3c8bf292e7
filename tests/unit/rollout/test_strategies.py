"""Strategies are pure: every schedule keeps the promises that the executor relies on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.deploy_sections import Rollout
from towline.rollout.strategies import (
    STRATEGIES,
    Gate,
    Workers,
    blue_green,
    recreate,
    restore,
    rollback,
)

schedules = st.builds(
    lambda name, replicas, watch: (
        name,
        replicas,
        STRATEGIES[name](replicas, Rollout(bake_time=watch)),
    ),
    st.sampled_from(sorted(STRATEGIES)),
    st.integers(1, 20),
    st.integers(0, 600),
)


@given(schedules)
def test_every_schedule_ends_with_the_new_release_alone(schedule):
    _, replicas, stages = schedule
    last = stages[-1]
    assert (last.new, last.old, last.share, last.workers) == (replicas, 0, 100, Workers.NEW)


@given(schedules)
def test_no_stage_sends_traffic_to_containers_that_are_not_there(schedule):
    _, _, stages = schedule
    assert all(stage.new for stage in stages if stage.share)
    assert all(0 <= stage.share <= 100 for stage in stages)


@given(schedules)
def test_health_and_smoke_come_before_the_first_traffic(schedule):
    _, _, stages = schedule
    passed = []
    for stage in stages:
        if stage.share:
            break
        passed += stage.gates
    assert passed == [Gate.HEALTH, Gate.SMOKE]


@given(st.integers(1, 20))
def test_blue_green_always_serves_from_full_capacity(replicas):
    for stage in blue_green(replicas, Rollout()):
        assert (stage.old if stage.share == 0 else stage.new) == replicas


@given(st.integers(1, 20))
def test_recreate_never_runs_two_releases_at_once(replicas):
    assert not any(stage.new and stage.old for stage in recreate(replicas, Rollout()))


@given(st.integers(1, 20))
def test_restore_undoes_every_stage_of_every_schedule(replicas):
    stage = restore(replicas)
    assert (stage.new, stage.old, stage.share, stage.workers) == (0, replicas, 0, Workers.OLD)
    assert stage.gates == (Gate.OLD_HEALTH,)


def test_a_rollback_proves_health_and_nothing_slower():
    stages = rollback(2)
    assert [stage.name for stage in stages] == ["start", "switch", "finish"]
    assert [gate for stage in stages for gate in stage.gates] == [Gate.HEALTH] * 2


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_watch_of_zero_is_no_watch(name):
    stages = STRATEGIES[name](1, Rollout(bake_time=0))
    assert not any(Gate.WATCH in stage.gates for stage in stages)
