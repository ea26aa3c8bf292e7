"""How operations are shown, agreed to and carried out; every task does it here.

What is not agreed to cannot be carried out: `carry_out` only takes what `approve` gave.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import cli, terminal

if TYPE_CHECKING:
    from towline.planned import Planned
    from towline.rollout.operation import Operation
    from towline.rollout.plan import Plan
    from towline.rollout.stages import Stage


@dataclass(frozen=True)
class Approved:
    """An operation that was agreed to."""

    operation: Operation


def show(plan: Planned, json: bool, *, say: Callable[[str], None] = terminal.say) -> None:
    """Print a plan, whatever it is a plan of."""
    if json:
        terminal.say_json(plan.schema, plan.data())
    else:
        for line in plan.lines():
            say(line)


def approve(
    operation: Operation,
    *,
    allow_restart: bool,
    question: str = "",
    yes: bool = False,
    option: str = "--yes",
) -> Approved:
    """Ask what is to be asked before an operation.

    Where the environment has `confirm: true`, what users will feel needs `--allow-restart` or a
    person's yes, whatever the operation is.

    Args:
        operation: What is to be done.
        allow_restart: Whether `--allow-restart` was given.
        question: What is asked in any case; nothing when empty.
        yes: Whether that was answered by an option.
        option: The option that answers it.

    Raises:
        UsageError: When nobody can be asked, or the answer is no.
    """
    felt = operation.interruptions if operation.site.environment.confirm else ()
    if felt and not allow_restart:
        options = f"{option} --allow-restart" if question and not yes else "--allow-restart"
        question = question or f"{operation.plan.kind.capitalize()} all the same?"
        cli.confirm(f"It {'; '.join(felt)}. {question}", yes=False, option=options)
    elif question:
        cli.confirm(question, yes=yes, option=option)
    return Approved(operation)


def carry_out(
    approved: Approved,
    json: bool,
    *,
    wait: float = 0.0,
    say: Callable[[str], None] = terminal.say,
) -> Stage | None:
    """Carry a plan out, showing each step, and say what serves now.

    Returns the stage at which it is paused; None when it has ended.

    Args:
        approved: What was agreed to.
        json: Whether the outcome is printed as JSON.
        wait: How long to wait for others to end.
        say: How the outcome is told; `terminal.tell` where more is to follow.
    """
    operation = approved.operation
    plan = operation.plan
    terminal.tell(f"{plan.kind} {plan.project} {plan.release} to {plan.environment}")
    for warning in dict.fromkeys((*plan.warnings, *operation.interruptions)):
        terminal.tell(f"  {terminal.paint('!', 'yellow', sys.stderr)}  {warning}")
    paused = operation.run(terminal.Steps(), wait=wait)
    if json:
        at = {"step": paused.name, "share": paused.share} if paused else None
        outcome = {"ok": True, **plan.data(), "moved": operation.transferred(), "paused": at}
        terminal.say_json("outcome", outcome)
        return paused
    moved = operation.transferred()
    width = max(map(len, moved), default=0)
    for host, amount in moved.items():
        terminal.tell(f"  moved    {host:<{width}}  {amount}")
    for line in _paused(plan, paused) if paused else [_outcome(operation)]:
        say(line)
    return paused


def _paused(plan: Plan, stage: Stage) -> list[str]:
    env = plan.environment
    return [
        f"{plan.release} is paused at {stage.share} % of traffic in {env}; nothing waits meanwhile",
        f"`inv deploy.promote --env {env}` goes on, `inv deploy.abort --env {env}` rolls it back",
    ]


def _outcome(operation: Operation) -> str:
    plan, url = operation.plan, operation.site.environment.url
    if plan.kind == "migrate":
        return f"migrations of {plan.release} ran in {plan.environment}"
    return f"{operation.goes_to} is live in {plan.environment}" + (f": {url}" if url else "")
