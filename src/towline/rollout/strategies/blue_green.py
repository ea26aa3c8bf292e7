"""Start the new release beside the old, prove it, switch all traffic, then stop the old."""

from towline.rollout.endings import take_over
from towline.rollout.stages import Counts, Replicas, Stage, Strategy, StrategySettings
from towline.rollout.steps import table


def _stages(replicas: Replicas, settings: StrategySettings) -> list[Stage]:
    return [
        Stage(
            table.START,
            "start the new release beside the old, without traffic",
            new=replicas.new,
            old=replicas.old,
            share=0,
            gates=settings.before_traffic,
        ),
        *take_over(
            replicas.new,
            replicas.old,
            switch="switch all traffic to the new release",
            finish="stop the old release and retain it for rollback",
            gates=settings.under_traffic,
        ),
    ]


def _capacity(replicas: Replicas, settings: StrategySettings) -> Counts:  # noqa: ARG001
    """All that both releases have: one of them serves in full."""
    shared = replicas.new.keys() & replicas.old.keys()
    return {name: min(replicas.new[name], replicas.old[name]) for name in shared}


STRATEGY = Strategy(_stages, _capacity)
