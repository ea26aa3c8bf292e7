"""Stop the old release, then start the new one: a short outage, but never two at once."""

from towline.config.deploy_sections import Rollout
from towline.rollout.stages import Counts, Replicas, Stage, Strategy, StrategySettings, Workers
from towline.rollout.steps import table


def _stages(replicas: Replicas, settings: StrategySettings) -> list[Stage]:
    return [
        Stage(
            table.STOP,
            "stop the old release: the service is down from here",
            new={},
            old={},
            share=0,
            workers=Workers.NONE,
        ),
        Stage(
            table.START,
            "start the new release",
            new=replicas.new,
            old={},
            share=0,
            workers=Workers.NEW,
            gates=settings.before_traffic,
        ),
        Stage(
            table.SWITCH,
            "send traffic to the new release",
            new=replicas.new,
            old={},
            share=100,
            workers=Workers.NEW,
            gates=settings.under_traffic,
        ),
    ]


def _capacity(replicas: Replicas, settings: StrategySettings) -> Counts:  # noqa: ARG001
    """Nothing serves while the releases change."""
    return {}


def _downtime(rollout: Rollout) -> float:
    """Until the new release is healthy, or the old one is again."""
    return 2 * rollout.health_timeout


STRATEGY = Strategy(_stages, _capacity, needs_router=False, downtime=_downtime)
