"""The way back from a deploy that left the old release only a part of its containers.

It comes back in batches too: a host that had no room for two full sets has none now.
"""

from collections.abc import Mapping

from towline.config.deploy_sections import Rollout
from towline.rollout.batches import State, limits_of, new_of, old_of, rows_of, share_of, walk
from towline.rollout.gates.health import Health
from towline.rollout.stages import Counts, Stage
from towline.rollout.steps import table


def restore_in_batches(
    wanted: Counts, old: Mapping[str, int], new: Mapping[str, int], rollout: Rollout
) -> list[Stage]:
    """The stages before the last one, which `restore` is; none where a single step is enough.

    The old release gets all traffic as soon as half of it is there: the other one failed, or is not
    wanted.

    Args:
        wanted: Containers of the old release, as it served before.
        old: Containers of it that run.
        new: Containers of the other release that run.
        rollout: The settings.
    """
    partial = {name for name, count in wanted.items() if old.get(name, 0) < count}
    if not partial or not all(old.get(name) and new.get(name) for name in partial):
        return []
    walks = {
        name: walk(
            State(old.get(name, 0), new.get(name, 0)),
            count,
            limits_of(count, count, rollout.rolling),
        )
        or [State(old.get(name, 0), new.get(name, 0))]
        for name, count in wanted.items()
    }
    stages = []
    for row in rows_of(walks):
        is_enough = all(2 * row[name].new >= count for name, count in wanted.items())
        stages.append(
            Stage(
                table.RESTORE,
                "bring the old release back, batch after batch",
                new=old_of(row),
                old=new_of(row),
                share=0 if is_enough else 100 - share_of(row),
                old_gates=(Health(rollout.health_timeout),),
                users_first=True,
            )
        )
    return stages
