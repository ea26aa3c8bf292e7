"""How schedules end that run two releases side by side: traffic moves, then the old one stops."""

from collections.abc import Sequence

from towline.rollout.gates.base import Gate
from towline.rollout.stages import Counts, Stage, Workers
from towline.rollout.steps import table


def take_over(
    new: Counts, old: Counts, *, switch: str, finish: str, gates: Sequence[Gate]
) -> list[Stage]:
    """The stages in which the new release gets what is left, and the old one is stopped.

    Args:
        new: Containers of each new app service.
        old: Containers of each old app service, until the new release has all traffic.
        switch: One line on the stage that moves traffic and workers.
        finish: One line on the stage that stops the old release.
        gates: What the new release must pass with all traffic.
    """
    return [
        Stage(
            table.SWITCH,
            switch,
            new=new,
            old=old,
            share=100,
            workers=Workers.NEW,
            gates=tuple(gates),
        ),
        Stage(table.FINISH, finish, new=new, old={}, share=100, workers=Workers.NEW),
    ]
