"""The step table: what a step is called, where it is done, and what its failure means.

A step is one row. The rows below are done by the host rollout and by the stages of a strategy; any
other module of this package adds one, as its `STEP`, with what it does and how it is planned.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from towline.discovery import find_modules
from towline.engines.base import Engine
from towline.environments.host_environment import HostEnvironment


class Scope(StrEnum):
    """Where a step is done."""

    ONCE = "once here"
    EACH_HOST = "each host"
    ONE_BY_ONE = "one host after another"


class Phase(StrEnum):
    """When a step is done, and what its failure means."""

    # On all hosts, before anything that runs is touched: a failure needs no way back.
    PREPARE = "prepare"
    # On batches of hosts: a failure brings back what served before.
    CHANGE = "change"
    # On all hosts, once the release is proven: a failure is left to the next command.
    FINISH = "finish"


class OnHost(Protocol):
    """One host in an operation, as the action of a step sees it."""

    @property
    def site(self) -> HostEnvironment:
        """The environment on the host."""
        ...

    @property
    def plan(self) -> Any:
        """Its plan."""
        ...

    @property
    def engine(self) -> Engine:
        """The engine of the host; each act asks first whether the lock is still held."""
        ...


@dataclass(frozen=True)
class Step:
    """One row of the table.

    Attributes:
        name: What plans and the journal call it.
        scope: Where it is done.
        phase: When it is done.
        reverts_itself: Whether it puts back by itself what it changed when it fails.
        old_names: What journals of earlier versions call it.
        before: The row that it stands before; of added steps.
        plan: From the plan's inputs and the deploy's to what the plan shows, or None where the step
            has nothing to do; of added steps.
        act: What it does on a host, and returns the figures of; of added steps. What takes long
            calls the function that it gets: it raises when the operation is to stop.
    """

    name: str
    scope: Scope = Scope.EACH_HOST
    phase: Phase = Phase.CHANGE
    reverts_itself: bool = False
    old_names: tuple[str, ...] = ()
    before: str = ""
    plan: Callable[[Any, Any], Any] | None = None
    act: Callable[[OnHost, Callable[[], None]], str] | None = None


BUILD, PUSH, PULL, SHIP, PREPARE = "build", "push", "pull", "ship", "prepare"
REATTACH, RECONCILE, MIGRATE, RENEW = "reattach", "reconcile", "migrate", "renew"
STOP, START, SWITCH, FINISH, RESTORE = "stop", "start", "switch", "finish", "restore"
FINALIZE = "finalize"
# Not of a plan: an environment is taken down.
DOWN = "down"

_ROWS = (
    # An image is built and pushed once, on this machine.
    Step(BUILD, Scope.ONCE, Phase.PREPARE),
    Step(PUSH, Scope.ONCE, Phase.PREPARE),
    Step(PULL, phase=Phase.PREPARE),
    Step(SHIP, phase=Phase.PREPARE),
    Step(PREPARE, phase=Phase.PREPARE),
    Step(REATTACH),
    Step(RECONCILE, old_names=("settle",)),
    # Two hosts may use one database.
    Step(MIGRATE, Scope.ONE_BY_ONE),
    Step(RENEW, reverts_itself=True),
    # The stages of the strategies that are here; others have names of their own.
    Step(STOP),
    Step(START),
    Step(SWITCH),
    Step(FINISH),
    Step(RESTORE),
    Step(FINALIZE, phase=Phase.FINISH, old_names=("keep",)),
)


def all_steps() -> dict[str, Step]:
    """Name -> row, in the order of a deploy."""
    rows = list(_ROWS)
    for module in find_modules(__package__).values():
        row = getattr(module, "STEP", None)
        if row is not None:
            rows.insert(next(n for n, item in enumerate(rows) if item.name == row.before), row)
    return {row.name: row for row in rows}


def find_step(name: str) -> Step:
    """The row of a step; a stage of a strategy needs none."""
    return all_steps().get(name) or Step(name)


def current_name(name: str) -> str:
    """What a step is called today that an old journal may call otherwise."""
    return next((row.name for row in _ROWS if name in row.old_names), name)


class Named(Protocol):
    """Something that is planned under the name of a step."""

    @property
    def name(self) -> str:
        """The step's name."""
        ...


N = TypeVar("N", bound=Named)


def with_added(planned: Sequence[N], plan: Callable[[Step], N | None]) -> list[N]:
    """Steps that are planned, and among them those of the rows that were added.

    Args:
        planned: The steps, in the order of the table.
        plan: From an added row to its step, or None where it has nothing to do.
    """
    found, rows = list(planned), all_steps()
    for row in rows.values():
        step = plan(row) if row.plan else None
        if step is not None:
            found.insert(_place(found, row, rows), step)
    return found


def _place(found: Iterable[Named], row: Step, rows: Mapping[str, Step]) -> int:
    order = [*rows]
    before = set(order[: order.index(row.name)])
    return sum(1 for item in found if item.name in before)
