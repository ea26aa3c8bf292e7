"""From one release's containers to another's in batches, within what may be missing or too many."""

from collections.abc import Mapping
from dataclasses import dataclass

from towline.config.progressive import Rolling, part_of
from towline.rollout.stages import Counts


@dataclass(frozen=True)
class Limits:
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
class State:
    """Containers of one service: of the release that comes, and of the one that goes."""

    new: int
    old: int


Row = Mapping[str, State]


def limits_of(wanted: int, there: int, rolling: Rolling) -> Limits:
    """The limits of one service, rounded as Kubernetes does.

    Args:
        wanted: Containers that there are to be.
        there: Containers that there were.
        rolling: The settings.
    """
    surge = part_of(rolling.max_surge, wanted, up=True)
    missing = part_of(rolling.max_unavailable, wanted, up=False)
    if not surge and not missing:
        missing = 1
    batch = max(1, part_of(rolling.batch, wanted, up=True))
    return Limits(batch, max(0, min(wanted, there) - missing), max(wanted, there) + surge)


def walk(start: State, wanted: int, limits: Limits) -> list[State]:
    """The states of one service until the last in which both releases have containers.

    Where one begins with nothing of the new release, it only makes room. Where the last has less
    than is wanted, the old ones must go before the others can come.
    """
    new, old = start.new, start.old
    states: list[State] = []
    while new < wanted:
        grown = new + max(0, min(limits.batch, wanted - new, limits.most - new - old))
        left = min(old, max(1, old - limits.batch, limits.least - grown))
        if (grown, left) == (new, old):
            break
        new, old = grown, left
        states.append(State(new, old))
    return states


def rows_of(walks: Mapping[str, list[State]]) -> list[Row]:
    """The walks of all services side by side; who is through first waits for the others."""
    length = max(map(len, walks.values()))
    return [
        {name: states[min(number, len(states) - 1)] for name, states in walks.items()}
        for number in range(length)
    ]


def new_of(row: Row) -> Counts:
    """Containers of the release that comes."""
    return {name: state.new for name, state in sorted(row.items()) if state.new}


def old_of(row: Row) -> Counts:
    """Containers of the release that goes."""
    return {name: state.old for name, state in sorted(row.items()) if state.old}


def share_of(row: Row) -> int:
    """Traffic follows the containers of services that both releases have."""
    both = [state for state in row.values() if state.new and state.old]
    new, old = sum(state.new for state in both), sum(state.old for state in both)
    return min(99, max(1, round(100 * new / (new + old))))
