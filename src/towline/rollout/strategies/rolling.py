"""Replace containers batch after batch, so that no second full set of them is needed.

`max_surge` and `max_unavailable` mean what they do in a Deployment of Kubernetes, and percentages
are rounded as there: of what is wanted, the surge up, what may be missing down; where both come to
nothing, one container may be missing (`ResolveFenceposts` in `pkg/controller/deployment/util`).

Traffic is split between two releases, not two containers: each service runs in both slots until the
switch, and all services share traffic by the containers of all. Workers are handed over then.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from towline.config.progressive import Rolling, part_of
from towline.errors import UsageError
from towline.rollout.stages import Counts, Replicas, Stage, Strategy, StrategySettings, Workers
from towline.rollout.steps import table


@dataclass(frozen=True)
class _Limits:
    """How far one service may go.

    Attributes:
        batch: Containers that are replaced at once.
        least: Containers that serve at every moment.
        most: Containers of both releases that run at every moment.
    """

    batch: int
    least: int
    most: int


@dataclass(frozen=True)
class _State:
    """Containers of one service in both slots."""

    new: int
    old: int


_Row = Mapping[str, _State]


def _stages(replicas: Replicas, settings: StrategySettings) -> list[Stage]:
    rolling = settings.rollout.rolling
    start = {
        name: _State(0, replicas.old.get(name, 0)) for name in {**replicas.old, **replicas.new}
    }
    walks = {name: _walk(name, replicas, rolling) for name in start}
    rooms = {name: walk[0] for name, walk in walks.items() if replicas.new.get(name) and not
             walk[0].new}  # fmt: skip
    rows = _rows({name: walk[1:] if name in rooms else walk for name, walk in walks.items()})
    before: _Row = {**start, **rooms}
    stages = []
    if rooms:
        stages.append(
            Stage(
                "rolling-room",
                "make room for the new release",
                new={},
                old=_old(before),
                share=0,
            )
        )
    stages.append(
        Stage(
            table.START,
            "start the first containers of the new release, without traffic",
            new=_new(rows[0]),
            old=_old(before),
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
                new=_new(row),
                old=_old(row),
                share=_share(row),
                gates=settings.under_share(0.0),
            )
        )
    old = _old(rows[-1]) if rows else _old(before)
    return [*stages, *_end(_new(last), old, replicas, settings)]


def _end(new: Counts, old: Counts, replicas: Replicas, settings: StrategySettings) -> list[Stage]:
    """All traffic, then the end of the old release, then what there was no room for until then."""
    stages = [
        Stage(
            table.SWITCH,
            "send all traffic to the new release",
            new=new,
            old=old,
            share=100,
            workers=Workers.NEW,
            gates=settings.under_traffic,
        ),
        Stage(
            table.FINISH,
            "stop the last containers of the old release and retain them for rollback",
            new=new,
            old={},
            share=100,
            workers=Workers.NEW,
        ),
    ]
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


def _walk(name: str, replicas: Replicas, rolling: Rolling) -> list[_State]:
    """The states of one service until the switch, in which both releases have containers.

    The first may only make room. Where the last has less than all of the new ones, the old ones
    must go first.
    """
    wanted, there = replicas.new.get(name, 0), replicas.old.get(name, 0)
    if not wanted or not there:
        # A service that only one of the releases has replaces nothing.
        return [_State(wanted, there)]
    limits, new, old = _limits(wanted, there, rolling), 0, there
    states: list[_State] = []
    while new < wanted:
        grown = new + max(0, min(limits.batch, wanted - new, limits.most - new - old))
        left = min(old, max(1, old - limits.batch, limits.least - grown))
        if (grown, left) == (new, old):
            break
        new, old = grown, left
        states.append(_State(new, old))
    if not new:
        raise UsageError(
            f"rolling: `max_surge` leaves no room for a second container of {name} beside the one "
            "that serves",
            remedy="set `rollout.rolling.max_surge: 1`, or use `strategy: recreate`",
        )
    return states


def _limits(wanted: int, there: int, rolling: Rolling) -> _Limits:
    surge = part_of(rolling.max_surge, wanted, up=True)
    missing = part_of(rolling.max_unavailable, wanted, up=False)
    if not surge and not missing:
        missing = 1
    batch = max(1, part_of(rolling.batch, wanted, up=True))
    return _Limits(batch, max(0, min(wanted, there) - missing), max(wanted, there) + surge)


def _rows(walks: Mapping[str, list[_State]]) -> list[_Row]:
    """The walks of all services side by side; who is through first waits for the others."""
    length = max(map(len, walks.values()))
    return [
        {name: walk[min(number, len(walk) - 1)] for name, walk in walks.items()}
        for number in range(length)
    ]


def _is_whole(row: _Row, replicas: Replicas) -> bool:
    return all(row[name].new == count for name, count in replicas.new.items())


def _new(row: _Row) -> Counts:
    return {name: state.new for name, state in sorted(row.items()) if state.new}


def _old(row: _Row) -> Counts:
    return {name: state.old for name, state in sorted(row.items()) if state.old}


def _share(row: _Row) -> int:
    """Traffic follows the containers of services that both releases have."""
    both = [state for state in row.values() if state.new and state.old]
    new, old = sum(state.new for state in both), sum(state.old for state in both)
    return min(99, max(1, round(100 * new / (new + old))))


def _told(row: _Row) -> str:
    return ", ".join(f"{count} {name}" for name, count in _new(row).items())


def _capacity(replicas: Replicas, settings: StrategySettings) -> Counts:
    """What is wanted, without what may be missing."""
    rolling = settings.rollout.rolling
    return {
        name: _limits(count, replicas.old[name], rolling).least
        for name, count in replicas.new.items()
        if replicas.old.get(name)
    }


STRATEGY = Strategy(_stages, _capacity)
