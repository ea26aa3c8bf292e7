"""`inv deploy` and `inv deploy.plan`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from invoke import Collection, Context, task

from . import seam, terminal

if TYPE_CHECKING:
    from towline.environments.site import Fleet
    from towline.rollout.operations import Operation
    from towline.rollout.plan import Plan

_HELP = {
    "env": seam.ENV_HELP,
    "version": "A kept release to deploy again. Default: the promoted one.",
    "strategy": "blue-green or recreate. Default: as configured.",
    "host": "Only this host: it gets the release that serves on the others. Default: all.",
    "without": seam.WITHOUT_HELP,
    "json": seam.JSON_HELP,
}

_WAIT_HELP = "Wait so long, such as 5m, for others to end, then plan. Default: do not wait."


@task(
    default=True,
    auto_shortflags=False,
    iterable=["without"],
    help={
        **_HELP,
        "yes": seam.YES_HELP,
        "dry_run": seam.DRY_RUN_HELP,
        "allow_restart": seam.ALLOW_RESTART_HELP,
        "skip_check": "Do not run the pre-deploy check first. Default: off.",
        "resume": "First go on with what was interrupted. Default: off.",
        "abort": "First go back from what was interrupted. Default: off.",
        "wait": _WAIT_HELP,
    },
)
def run(
    c: Context,
    env: str = "local",
    version: str = "",
    strategy: str = "",
    yes: bool = False,
    dry_run: bool = False,
    allow_restart: bool = False,
    skip_check: bool = False,
    resume: bool = False,
    abort: bool = False,
    wait: str = "0",
    host: str = "",
    without: list[str] | None = None,
    json: bool = False,
) -> None:
    """Bring the promoted release to an environment, without losing a request."""
    with seam.outcome():
        from towline.rollout import operations
        from towline.rollout.lane import PlanOutdated
        from towline.rollout.turn import Turn

        turn = Turn(seam.duration(wait, "--wait"))
        while True:
            fleet = seam.open_fleet(env, strategy=strategy, without=without)
            if not seam.is_dry(c, dry_run):
                turn.wait(fleet, "deploy", terminal.tell)
            if resume or abort:
                dry = seam.is_dry(c, dry_run)
                _settle(fleet, resume=resume, abort=abort, dry=dry, version=version)
            operation = operations.deploy(fleet, version=version, host=host)
            if seam.is_dry(c, dry_run) or operation.plan.nothing_to_do:
                show(operation.plan, json)
                return
            _check(fleet, operation, skip_check=skip_check)
            question = f"Deploy {operation.plan.release} to {env}?"
            approve(operation, question, yes, allow_restart)
            try:
                carry_out(operation, json, wait=turn.left)
            except PlanOutdated as outdated:
                if not turn.left:
                    raise
                terminal.tell(f"{outdated.message}; planning anew")
            else:
                return


def _check(fleet: Fleet, operation: Operation, *, skip_check: bool) -> None:
    """Check what a deploy needs, and show the plan where a person is asked."""
    if not skip_check:
        from towline.checks.preflight import RESTARTS, require

        for finding in require(fleet):
            # What restarts is told once, beside the plan.
            if finding.check != RESTARTS:
                terminal.tell(f"  {terminal.paint('!', 'yellow', sys.stderr)}  {finding.message}")
    if fleet.lead.environment.confirm:
        for line in operation.plan.lines():
            terminal.tell(line)


@task(name="plan", auto_shortflags=False, iterable=["without"], help=_HELP)
def plan_(
    c: Context,
    env: str = "local",
    version: str = "",
    strategy: str = "",
    host: str = "",
    without: list[str] | None = None,
    json: bool = False,
) -> None:
    """Show what a deploy would do: what is live, what changes, the exact commands."""
    with seam.outcome():
        from towline.rollout import operations

        fleet = seam.open_fleet(env, strategy=strategy, without=without)
        operation = operations.deploy(fleet, version=version, host=host)
        show(operation.plan, json)


@task(
    name="resume",
    auto_shortflags=False,
    iterable=["without"],
    help={
        "env": seam.ENV_HELP,
        "without": seam.WITHOUT_HELP,
        "wait": _WAIT_HELP,
        "dry_run": seam.DRY_RUN_HELP,
        "json": seam.JSON_HELP,
    },
)
def resume_(
    c: Context,
    env: str = "local",
    without: list[str] | None = None,
    wait: str = "0",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Go on with a deploy or rollback that was killed."""
    with seam.outcome():
        from towline.rollout import operations

        fleet = _in_turn(env, wait, without=without, dry=seam.is_dry(c, dry_run))
        if seam.is_dry(c, dry_run):
            show(operations.resume(fleet).plan, json)
            return
        _resume(fleet, json)


@task(
    name="abort",
    auto_shortflags=False,
    iterable=["without"],
    help={
        "env": seam.ENV_HELP,
        "without": seam.WITHOUT_HELP,
        "wait": _WAIT_HELP,
        "dry_run": seam.DRY_RUN_HELP,
        "json": seam.JSON_HELP,
    },
)
def abort_(
    c: Context,
    env: str = "local",
    without: list[str] | None = None,
    wait: str = "0",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Go back from a deploy or rollback that was killed: what served before serves alone."""
    with seam.outcome():
        from towline.rollout import operations

        operation = operations.abort(
            _in_turn(env, wait, without=without, dry=seam.is_dry(c, dry_run))
        )
        if seam.is_dry(c, dry_run):
            show(operation.plan, json)
            return
        carry_out(operation, json)


def _in_turn(env: str, wait: str, *, without: list[str] | None, dry: bool) -> Fleet:
    """An environment on all its hosts, after waiting for whoever holds its lock."""
    from towline.rollout.turn import Turn

    turn, fleet = Turn(seam.duration(wait, "--wait")), seam.open_fleet(env, without=without)
    if not dry:
        turn.wait(fleet, "deploy", terminal.tell)
    return fleet


def _settle(fleet: Fleet, *, resume: bool, abort: bool, dry: bool, version: str) -> None:
    """Bring what was interrupted to an end, one way or the other, before something new."""
    from towline.errors import UsageError
    from towline.rollout import interrupted, operations

    if resume and abort:
        raise UsageError("--resume and --abort were both asked for", remedy="choose one")
    if dry or interrupted.found(fleet) is None:
        return
    if resume:
        interrupted.refuse_to_deploy_after(fleet, version)
        _resume(fleet, json=False)
    else:
        carry_out(operations.abort(fleet), json=False)


def _resume(fleet: Fleet, json: bool) -> None:
    from towline.rollout import interrupted, operations

    left = interrupted.require(fleet)
    operation = operations.resume(fleet)
    if operation.plan.nothing_to_do:
        interrupted.close(fleet, left, say=terminal.tell)
        show(operation.plan, json)
    else:
        carry_out(operation, json)


def show(plan: Plan, json: bool) -> None:
    """Print a plan."""
    if json:
        terminal.say_json(plan.data())
    else:
        for line in plan.lines():
            terminal.say(line)


def approve(
    operation: Operation, question: str, yes: bool, allow_restart: bool, option: str = "--yes"
) -> None:
    """Ask where the environment wants that; what users will feel needs an option of its own."""
    if not operation.site.environment.confirm:
        return
    if operation.interruptions and not allow_restart:
        options = "--allow-restart" if yes else f"{option} --allow-restart"
        felt = "; ".join(operation.interruptions)
        seam.confirm(f"It {felt}. {question}", yes=False, option=options)
    else:
        seam.confirm(question, yes=yes, option=option)


def carry_out(operation: Operation, json: bool, *, wait: float = 0.0) -> None:
    """Carry a plan out, showing each step, and say what serves now."""
    plan = operation.plan
    terminal.tell(f"{plan.kind} {plan.project} {plan.release} to {plan.environment}")
    for warning in dict.fromkeys((*plan.warnings, *operation.interruptions)):
        terminal.tell(f"  {terminal.paint('!', 'yellow', sys.stderr)}  {warning}")
    operation.run(terminal.Steps(), wait=wait)
    if json:
        terminal.say_json({"ok": True, **plan.data(), "moved": operation.moved()})
        return
    url = operation.site.environment.url
    serves = plan.release
    if plan.kind == "abort":
        serves = plan.old.id if plan.old else "nothing"
    moved = operation.moved()
    width = max(map(len, moved), default=0)
    for host, amount in moved.items():
        terminal.tell(f"  moved    {host:<{width}}  {amount}")
    terminal.say(f"{serves} is live in {plan.environment}" + (f": {url}" if url else ""))


ns = Collection("deploy", run, plan_, resume_, abort_)
