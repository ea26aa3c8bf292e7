"""Replace containers batch after batch, so that no second full set of them is needed.

`max_surge` and `max_unavailable` mean what they do in a Deployment of Kubernetes, and percentages
are rounded as there: of what is wanted, the surge up, what may be missing down; where both come to
nothing, one container may be missing (`ResolveFenceposts` in `pkg/controller/deployment/util`).

Traffic is split between two releases, not two containers: each service runs in both slots until the
switch, and all services share traffic by the containers of all. Workers are handed over then.
"""

from towline.config.progressive import Rolling
from towline.errors import UsageError
from towline.rollout.batches import Row, State, limits_of, new_of, old_of, rows_of, share_of, walk
from towline.rollout.endings import take_over
from towline.rollout.stages import Counts, Replicas, Stage, Strategy, StrategySettings, Workers
from towline.rollout.steps import table


def _stages(replicas: Replicas, settings: StrategySettings) -> list[Stage]:
    rolling = settings.rollout.rolling
    start = {name: State(0, replicas.old.get(name, 0)) for name in {**replicas.old, **replicas.new}}
    walks = {name: _walk(name, replicas, rolling) for name in start}
    rooms = {
        name: states[0]
        for name, states in walks.items()
        if replicas.new.get(name) and not states[0].new
    }
    rows = rows_of({name: walks[name][name in rooms :] for name in walks})
    before: Row = {**start, **rooms}
    stages = []
    if rooms:
        stages.append(
            Stage(
                "rolling-room",
                "make room for the new release",
                new={},
                old=old_of(before),
                share=0,
            )
        )
    stages.append(
        Stage(
            table.START,
            "start the first containers of the new release, without traffic",
            new=new_of(rows[0]),
            old=old_of(before),
            share=0,
            gates=settings.before_traffic,
        )
    )
    last = rows.pop() if _is_whole(rows[-1], replicas) else rows[-1]
    for number, row in enumerate(rows, 1):
        stages.append(
            Stage(
                f"rolling-{number}",
                f"go on with {_told(row)} of the new release",
                new=new_of(row),
                old=old_of(row),
                share=share_of(row),
                gates=settings.under_share(0.0),
            )
        )
    old = old_of(rows[-1]) if rows else old_of(before)
    return [*stages, *_end(new_of(last), old, replicas, settings)]


def _end(new: Counts, old: Counts, replicas: Replicas, settings: StrategySettings) -> list[Stage]:
    """All traffic, then the end of the old release, then what there was no room for until then."""
    stages = take_over(
        new,
        old,
        switch="send all traffic to the new release",
        finish="stop the last containers of the old release and retain them for rollback",
        gates=settings.under_traffic,
    )
    if new != replicas.new:
        stages.append(
            Stage(
                "rolling-fill",
                "start the last containers of the new release",
                new=replicas.new,
                old={},
                share=100,
                workers=Workers.NEW,
                gates=settings.under_share(0.0),
            )
        )
    return stages


def _walk(name: str, replicas: Replicas, rolling: Rolling) -> list[State]:
    wanted, there = replicas.new.get(name, 0), replicas.old.get(name, 0)
    if not wanted or not there:
        # A service that only one of the releases has replaces nothing.
        return [State(wanted, there)]
    states = walk(State(0, there), wanted, limits_of(wanted, there, rolling))
    if not any(state.new for state in states):
        raise UsageError(
            f"rolling: `max_surge` leaves no room for a second container of {name} beside the one "
            "that serves",
            remedy="set `rollout.rolling.max_surge: 1`, or use `strategy: recreate`",
        )
    return states


def _is_whole(row: Row, replicas: Replicas) -> bool:
    return all(row[name].new == count for name, count in replicas.new.items())


def _told(row: Row) -> str:
    return ", ".join(f"{count} {name}" for name, count in new_of(row).items())


def _capacity(replicas: Replicas, settings: StrategySettings) -> Counts:
    """What is wanted, without what may be missing."""
    rolling = settings.rollout.rolling
    return {
        name: limits_of(count, replicas.old[name], rolling).least
        for name, count in replicas.new.items()
        if replicas.old.get(name)
    }


STRATEGY = Strategy(_stages, _capacity, rolls_back_alike=True)
