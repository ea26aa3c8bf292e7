"""`inv deploy` and `inv deploy.plan`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from invoke import Collection, Context, task

from . import cli, terminal
from .operation import approve, carry_out, show

if TYPE_CHECKING:
    from towline.environments.host_environment import Fleet
    from towline.rollout.operation import Operation
    from towline.rollout.stages import Stage

_HELP = {
    "env": cli.ENV_HELP,
    "version": "A retained release to deploy again. Default: the promoted one.",
    "strategy": "blue-green, canary, rolling or recreate. Default: as configured.",
    "host": "Only this host: it gets the release that serves on the others. Default: all.",
    "without": cli.WITHOUT_HELP,
    "json": cli.JSON_HELP,
}

_WAIT_HELP = "Wait so long, such as 5m, for others to end, then plan. Default: do not wait."

# Of what ends an interrupted operation, one way or the other.
_END_HELP = {
    "env": cli.ENV_HELP,
    "without": cli.WITHOUT_HELP,
    "wait": _WAIT_HELP,
    "allow_restart": cli.ALLOW_RESTART_HELP,
    "dry_run": cli.DRY_RUN_HELP,
    "json": cli.JSON_HELP,
}


@task(
    default=True,
    auto_shortflags=False,
    iterable=["without"],
    help={
        **_HELP,
        "yes": cli.YES_HELP,
        "dry_run": cli.DRY_RUN_HELP,
        "allow_restart": cli.ALLOW_RESTART_HELP,
        "skip_check": "Do not run the pre-deploy check first. Default: off.",
        "resume": "First go on with what was interrupted. Default: off.",
        "abort": "First roll back what was interrupted. Default: off.",
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
    with cli.outcome():
        from towline.guard.process import start_after_deploy
        from towline.rollout import operations
        from towline.rollout.host_rollout import PlanOutdated
        from towline.rollout.turn import Turn

        turn = Turn(cli.duration(wait, "--wait"))
        while True:
            fleet = cli.open_fleet(env, strategy=strategy, without=without)
            if not cli.is_dry(c, dry_run):
                turn.wait(fleet, "deploy", terminal.tell)
            if resume or abort:
                end = _Ending(resume, abort, version, allow_restart=allow_restart)
                end.reconcile(fleet, dry=cli.is_dry(c, dry_run))
            operation = operations.deploy(fleet, version=version, host=host)
            if cli.is_dry(c, dry_run) or operation.plan.nothing_to_do:
                show(operation.plan, json)
                return
            _check(fleet, operation, skip_check=skip_check)
            asked = f"Deploy {operation.plan.release} to {env}?"
            question = asked if fleet.lead.environment.confirm else ""
            approved = approve(operation, allow_restart=allow_restart, question=question, yes=yes)
            try:
                carry_out(approved, json, wait=turn.left)
            except PlanOutdated as outdated:
                if not turn.left:
                    raise
                terminal.tell(f"{outdated.message}; planning anew")
            else:
                start_after_deploy(fleet.lead, terminal.tell)
                return


def _check(fleet: Fleet, operation: Operation, *, skip_check: bool) -> None:
    """Check what a deploy needs, and show the plan where a person is asked."""
    if not skip_check:
        from towline.checks.preflight import require
        from towline.findings import group

        for item in group(require(fleet)):
            terminal.tell(f"  {terminal.paint('!', 'yellow', sys.stderr)}  {item.message}")
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
    with cli.outcome():
        from towline.rollout import operations

        fleet = cli.open_fleet(env, strategy=strategy, without=without)
        operation = operations.deploy(fleet, version=version, host=host)
        show(operation.plan, json)


@task(name="resume", auto_shortflags=False, iterable=["without"], help=_END_HELP)
def resume_(
    c: Context,
    env: str = "local",
    without: list[str] | None = None,
    wait: str = "0",
    allow_restart: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Go on with a deploy or rollback that was killed."""
    with cli.outcome():
        from towline.rollout import operations

        fleet = _in_turn(env, wait, without=without, dry=cli.is_dry(c, dry_run))
        if cli.is_dry(c, dry_run):
            show(operations.resume(fleet).plan, json)
            return
        _resume(fleet, json, allow_restart=allow_restart)


@task(name="abort", auto_shortflags=False, iterable=["without"], help=_END_HELP)
def abort_(
    c: Context,
    env: str = "local",
    without: list[str] | None = None,
    wait: str = "0",
    allow_restart: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Roll back a deploy or rollback that was killed: what served before serves alone."""
    with cli.outcome():
        from towline.rollout import operations

        operation = operations.abort(
            _in_turn(env, wait, without=without, dry=cli.is_dry(c, dry_run))
        )
        if cli.is_dry(c, dry_run):
            show(operation.plan, json)
            return
        carry_out(approve(operation, allow_restart=allow_restart), json)


@task(
    name="promote",
    auto_shortflags=False,
    iterable=["without"],
    help={
        **_END_HELP,
        "full": "To all traffic at once, without the steps in between. Default: off.",
        "reason": "Why; recorded in the journal.",
    },
)
def promote_(
    c: Context,
    env: str = "local",
    full: bool = False,
    reason: str = "",
    without: list[str] | None = None,
    wait: str = "0",
    allow_restart: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Let a paused deploy go on: to its next step, or to all traffic."""
    with cli.outcome():
        from towline.rollout import operations

        fleet = _in_turn(env, wait, without=without, dry=cli.is_dry(c, dry_run))
        operation = operations.promote(fleet, full=full, reason=reason)
        if cli.is_dry(c, dry_run):
            show(operation.plan, json)
            return
        paused = carry_out(approve(operation, allow_restart=allow_restart), json)
        _watch(fleet, operation, paused)


@task(
    name="pause",
    auto_shortflags=False,
    help={"env": cli.ENV_HELP, "reason": "Why; recorded in the journal and shown by `inv status`."},
)
def pause_(c: Context, env: str = "local", reason: str = "") -> None:
    """Ask a deploy that is running to pause after its current step."""
    with cli.outcome():
        from towline.rollout import by_hand

        release = by_hand.ask_to_pause(cli.open_lead_environment(env), reason)
        terminal.say(
            f"{release} pauses after its current step, unless that brings it all traffic; "
            f"`inv status --env {env}` shows where"
        )


def _in_turn(env: str, wait: str, *, without: list[str] | None, dry: bool) -> Fleet:
    """An environment on all its hosts, after waiting for whoever holds its lock."""
    from towline.rollout.turn import Turn

    turn, fleet = Turn(cli.duration(wait, "--wait")), cli.open_fleet(env, without=without)
    if not dry:
        turn.wait(fleet, "deploy", terminal.tell)
    return fleet


@dataclass(frozen=True)
class _Ending:
    """How `inv deploy` ends what was interrupted before it begins something new.

    Attributes:
        version: The release that is deployed then; the promoted one when empty.
    """

    resume: bool
    abort: bool
    version: str
    allow_restart: bool

    def reconcile(self, fleet: Fleet, *, dry: bool) -> None:
        """Bring it to an end, one way or the other; what is deployed then is the output."""
        from towline.errors import UsageError
        from towline.rollout import interrupted, operations

        if self.resume and self.abort:
            raise UsageError("--resume and --abort were both asked for", remedy="choose one")
        if dry or interrupted.found(fleet) is None:
            return
        if self.resume:
            interrupted.refuse_to_deploy_after(fleet, self.version)
            _resume(fleet, json=False, allow_restart=self.allow_restart, say=terminal.tell)
        else:
            back = operations.abort(fleet)
            approved = approve(back, allow_restart=self.allow_restart)
            carry_out(approved, json=False, say=terminal.tell)


def _resume(
    fleet: Fleet,
    json: bool,
    *,
    allow_restart: bool,
    say: Callable[[str], None] = terminal.say,
) -> None:
    from towline.rollout import interrupted, operations

    left = interrupted.require(fleet)
    operation = operations.resume(fleet)
    if operation.plan.nothing_to_do:
        interrupted.close(fleet, left, say=terminal.tell)
        show(operation.plan, json, say=say)
    else:
        paused = carry_out(approve(operation, allow_restart=allow_restart), json, say=say)
        _watch(fleet, operation, paused)


def _watch(fleet: Fleet, operation: Operation, paused: Stage | None) -> None:
    """Start a guard where the environment wants one after a deploy, as `inv deploy` does."""
    from towline.guard.process import start_after_deploy

    if operation.plan.kind == "deploy" and paused is None:
        start_after_deploy(fleet.lead, terminal.tell)


ns = Collection("deploy", run, plan_, promote_, pause_, resume_, abort_)
