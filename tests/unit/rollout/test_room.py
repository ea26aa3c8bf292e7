"""How much runs at once while releases change, and for how long nothing may serve."""

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan

from towline.config.deploy_sections import Rollout
from towline.errors import UsageError
from towline.rollout.room import count_peak
from towline.rollout.schedules import find_strategies
from towline.rollout.stages import Replicas, StrategySettings


@pytest.mark.parametrize(
    ("strategy", "most"), [("blue-green", 8), ("canary", 8), ("rolling", 5), ("recreate", 4)]
)
def test_the_most_that_runs_at_once(strategy, most):
    replicas = Replicas({"api": 4}, {"api": 4})
    stages = find_strategies()[strategy].stages(replicas, StrategySettings(Rollout()))
    assert count_peak(stages, replicas.old) == {"api": most}


@pytest.fixture
def site(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.keep("1.0.1")
    return site


@pytest.mark.parametrize(("limit", "refused"), [(0, True), (1.9, True), (2, False), (None, False)])
def test_a_strategy_that_takes_the_service_down_for_too_long_is_refused(site, limit, refused):
    site.rollout = site.rollout.model_copy(update={"max_downtime": limit})
    new = site.store.get("1.0.1")
    # Where nothing serves, nobody misses it.
    deploy_plan(site, new, "recreate")
    site.serve(site.keep("1.0.0"))
    deploy_plan(site, new, "blue-green")
    if not refused:
        deploy_plan(site, new, "recreate")
        return
    with pytest.raises(UsageError, match=r"recreate may take the service down for up to 2\.0 s"):
        deploy_plan(site, new, "recreate")
