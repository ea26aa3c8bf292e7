"""Start the new release beside the old, prove it, switch all traffic, then stop the old."""

from towline.rollout.stages import Counts, Replicas, Stage, Strategy, StrategySettings, Workers
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
        Stage(
            table.SWITCH,
            "switch all traffic to the new release",
            new=replicas.new,
            old=replicas.old,
            share=100,
            workers=Workers.NEW,
            gates=settings.under_traffic,
        ),
        Stage(
            table.FINISH,
            "stop the old release and retain it for rollback",
            new=replicas.new,
            old={},
            share=100,
            workers=Workers.NEW,
        ),
    ]


def _capacity(replicas: Replicas, settings: StrategySettings) -> Counts:  # noqa: ARG001
    """All that both releases have: one of them serves in full."""
    shared = replicas.new.keys() & replicas.old.keys()
    return {name: min(replicas.new[name], replicas.old[name]) for name in shared}


STRATEGY = Strategy(_stages, _capacity)
