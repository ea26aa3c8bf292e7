"""Strategies are schedules: pure functions from settings to a list of stages.

A stage is a desired state of two slots, so reaching it twice is harmless; resume, abort and
rollback point the same executor at another stage. A strategy knows no Docker.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from towline.config.deploy_sections import Rollout
from towline.rollout.steps import table


class Gate(StrEnum):
    """What must hold before the next stage."""

    HEALTH = "health"
    OLD_HEALTH = "old-health"
    SMOKE = "smoke"
    WATCH = "watch"


class Workers(StrEnum):
    """Which release's workers run."""

    OLD = "old"
    NEW = "new"
    NONE = "none"


@dataclass(frozen=True)
class Stage:
    """A desired state of an environment while a release replaces another.

    Attributes:
        name: What people call it.
        title: One line on what it does.
        new: Containers of each new app service.
        old: Containers of each old app service; stopped ones are kept.
        share: Percentage of traffic that the new release gets.
        workers: Which release's workers run.
        gates: What must hold before traffic moves, and what is watched after.
        users_first: Move traffic before the workers, which may take their time to stop.
    """

    name: str
    title: str
    new: int
    old: int
    share: int
    workers: Workers = Workers.OLD
    gates: tuple[Gate, ...] = ()
    users_first: bool = False


def blue_green(replicas: int, rollout: Rollout) -> list[Stage]:
    """Start the new release beside the old, prove it, switch all traffic, then stop the old."""
    return [
        Stage(
            table.START,
            "start the new release beside the old, without traffic",
            new=replicas,
            old=replicas,
            share=0,
            gates=(Gate.HEALTH, Gate.SMOKE),
        ),
        Stage(
            table.SWITCH,
            "switch all traffic to the new release",
            new=replicas,
            old=replicas,
            share=100,
            workers=Workers.NEW,
            gates=(Gate.HEALTH, *_watch(rollout)),
        ),
        Stage(
            table.FINISH,
            "stop the old release and keep it for rollback",
            new=replicas,
            old=0,
            share=100,
            workers=Workers.NEW,
        ),
    ]


def recreate(replicas: int, rollout: Rollout) -> list[Stage]:
    """Stop the old release, then start the new one: a short outage, but never two at once."""
    return [
        Stage(
            table.STOP,
            "stop the old release: the service is down from here",
            new=0,
            old=0,
            share=0,
            workers=Workers.NONE,
        ),
        Stage(
            table.START,
            "start the new release",
            new=replicas,
            old=0,
            share=0,
            workers=Workers.NEW,
            gates=(Gate.HEALTH, Gate.SMOKE),
        ),
        Stage(
            table.SWITCH,
            "send traffic to the new release",
            new=replicas,
            old=0,
            share=100,
            workers=Workers.NEW,
            gates=(Gate.HEALTH, *_watch(rollout)),
        ),
    ]


def rollback(replicas: int) -> list[Stage]:
    """Start what was kept, prove it is healthy, switch, stop the other."""
    return [
        Stage(
            table.START,
            "start the release to go back to",
            new=replicas,
            old=replicas,
            share=0,
            gates=(Gate.HEALTH,),
        ),
        Stage(
            table.SWITCH,
            "switch all traffic back",
            new=replicas,
            old=replicas,
            share=100,
            workers=Workers.NEW,
            gates=(Gate.HEALTH,),
        ),
        Stage(
            table.FINISH,
            "stop the release that was rolled back",
            new=replicas,
            old=0,
            share=100,
            workers=Workers.NEW,
        ),
    ]


def restore(replicas: int) -> Stage:
    """Where a failed operation goes: the old release serves everything, the new one is stopped."""
    return Stage(
        table.RESTORE,
        "bring the old release back",
        new=0,
        old=replicas,
        share=0,
        gates=(Gate.OLD_HEALTH,),
        users_first=True,
    )


def _watch(rollout: Rollout) -> tuple[Gate, ...]:
    return (Gate.WATCH,) if rollout.bake_time else ()


STRATEGIES: Mapping[str, Callable[[int, Rollout], list[Stage]]] = {
    "blue-green": blue_green,
    "recreate": recreate,
}
