"""The table of strategies: each module of `strategies/` is one, found by its name.

The ways back are schedules too, but nobody chooses them.
"""

from dataclasses import replace

from towline.discovery import find_modules
from towline.rollout.endings import take_over
from towline.rollout.gates.health import Health
from towline.rollout.stages import Counts, Replicas, Stage, Strategy, StrategySettings
from towline.rollout.steps import table

_PACKAGE = "towline.rollout.strategies"


def find_strategies() -> dict[str, Strategy]:
    """Name, as it stands in towline.yaml -> strategy."""
    found = find_modules(_PACKAGE)
    return {name.replace("_", "-"): module.STRATEGY for name, module in found.items()}


def rollback(replicas: Replicas, settings: StrategySettings) -> list[Stage]:
    """Start what was retained, prove it is healthy, switch, stop the other.

    An environment that has no room for two sets of containers goes back in batches.
    """
    rollout = settings.rollout
    strategy = find_strategies()[rollout.strategy]
    if strategy.rolls_back_alike:
        stages = strategy.stages(replicas, settings)
        # It has served before: its health is enough.
        return [
            replace(stage, gates=tuple(gate for gate in stage.gates if isinstance(gate, Health)))
            for stage in stages
        ]
    health = Health(rollout.health_timeout)
    return [
        Stage(
            table.START,
            "start the release to roll back to",
            new=replicas.new,
            old=replicas.old,
            share=0,
            gates=(health,),
        ),
        *take_over(
            replicas.new,
            replicas.old,
            switch="switch all traffic back",
            finish="stop the release that was rolled back",
            gates=(health,),
        ),
    ]


def restore(old: Counts, health_timeout: float) -> Stage:
    """Where a failed operation goes: the old release serves everything, the new one is stopped."""
    return Stage(
        table.RESTORE,
        "bring the old release back",
        new={},
        old=old,
        share=0,
        old_gates=(Health(health_timeout),),
        users_first=True,
    )


def transitions(stages: list[Stage], old: Counts) -> list[tuple[Stage, Stage]]:
    """Each stage that changes something, and the one before it.

    Where nothing served before, there is nothing to stop.

    Args:
        stages: A schedule.
        old: Containers of the release that serves.
    """
    pairs = zip([Stage("", "", new={}, old=old, share=0), *stages], stages, strict=False)
    return [
        (before, stage)
        for before, stage in pairs
        if stage.gates or stage.old_gates or not stage.does_as(before)
    ]
