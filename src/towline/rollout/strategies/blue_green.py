"""Start the new release beside the old, prove it, switch all traffic, then stop the old."""

from towline.rollout.gates.bake import Bake
from towline.rollout.gates.health import Health
from towline.rollout.gates.smoke import Smoke
from towline.rollout.stages import Counts, Replicas, Stage, Strategy, StrategySettings, Workers
from towline.rollout.steps import table


def _stages(replicas: Replicas, settings: StrategySettings) -> list[Stage]:
    rollout = settings.rollout
    health = Health(rollout.health_timeout)
    bake = (Bake(rollout.bake_time, rollout.max_failures),) if rollout.bake_time else ()
    return [
        Stage(
            table.START,
            "start the new release beside the old, without traffic",
            new=replicas.new,
            old=replicas.old,
            share=0,
            gates=(health, Smoke(settings.smoke)),
        ),
        Stage(
            table.SWITCH,
            "switch all traffic to the new release",
            new=replicas.new,
            old=replicas.old,
            share=100,
            workers=Workers.NEW,
            gates=(health, *bake),
        ),
        Stage(
            table.FINISH,
            "stop the old release and keep it for rollback",
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
