"""`inv deploy` and `inv deploy.plan`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from invoke import Collection, Context, task

from . import seam, terminal

if TYPE_CHECKING:
    from towline.rollout.operations import Operation
    from towline.rollout.plan import Plan

_HELP = {
    "env": seam.ENV_HELP,
    "version": "A kept release to deploy again. Default: the promoted one.",
    "strategy": "blue-green or recreate. Default: as configured.",
    "json": seam.JSON_HELP,
}


@task(
    default=True,
    auto_shortflags=False,
    help={
        **_HELP,
        "yes": seam.YES_HELP,
        "dry_run": seam.DRY_RUN_HELP,
        "skip_check": "Do not run the pre-deploy check first. Default: off.",
        "wait": "Wait so long, such as 5m, for someone else to end. Default: do not wait.",
    },
)
def run(
    c: Context,
    env: str = "local",
    version: str = "",
    strategy: str = "",
    yes: bool = False,
    dry_run: bool = False,
    skip_check: bool = False,
    wait: str = "0",
    json: bool = False,
) -> None:
    """Bring the promoted release to an environment, without losing a request."""
    with seam.outcome():
        from towline.rollout import operations

        fleet = seam.open_fleet(env, strategy=strategy)
        operation = operations.deploy(fleet, version=version)
        if seam.is_dry(c, dry_run) or operation.plan.nothing_to_do:
            show(operation.plan, json)
            return
        if not skip_check:
            from towline.rollout.preflight import require

            for finding in require(fleet):
                terminal.tell(f"  {terminal.paint('!', 'yellow', sys.stderr)}  {finding.message}")
        if fleet.lead.environment.confirm:
            for line in operation.plan.lines():
                terminal.tell(line)
            seam.confirm(f"Deploy {operation.plan.release} to {env}?", yes=yes)
        carry_out(operation, json, wait=seam.duration(wait, "--wait"))


@task(name="plan", auto_shortflags=False, help=_HELP)
def plan_(
    c: Context, env: str = "local", version: str = "", strategy: str = "", json: bool = False
) -> None:
    """Show what a deploy would do: what is live, what changes, the exact commands."""
    with seam.outcome():
        from towline.rollout import operations

        operation = operations.deploy(seam.open_fleet(env, strategy=strategy), version=version)
        show(operation.plan, json)


def show(plan: Plan, json: bool) -> None:
    """Print a plan."""
    if json:
        terminal.say_json(plan.data())
    else:
        for line in plan.lines():
            terminal.say(line)


def carry_out(operation: Operation, json: bool, *, wait: float = 0.0) -> None:
    """Carry a plan out, showing each step, and say what serves now."""
    plan = operation.plan
    terminal.tell(f"{plan.kind} {plan.project} {plan.release} to {plan.environment}")
    for warning in plan.warnings:
        terminal.tell(f"  {terminal.paint('!', 'yellow', sys.stderr)}  {warning}")
    operation.run(terminal.Steps(), wait=wait)
    if json:
        terminal.say_json({"ok": True, **plan.data()})
        return
    url = operation.site.environment.url
    terminal.say(f"{plan.release} is live in {plan.environment}" + (f": {url}" if url else ""))


ns = Collection("deploy", run, plan_)
