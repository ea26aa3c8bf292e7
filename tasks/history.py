"""`inv history` and `inv history.repair`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from invoke import Collection, Context, task

from . import cli, terminal

if TYPE_CHECKING:
    from towline.environments.host_environment import HostEnvironment
    from towline.insight.history import PastOperation


@task(
    default=True,
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "lines": "How many operations to show. Default: 20.",
        "show": "Steps and figures of one operation, by its id or how that begins. Default: none.",
        "verify": "Check that no journal line was changed or lost. Default: off.",
        "json": cli.JSON_HELP,
    },
)
def show(
    c: Context,
    env: str = "local",
    lines: str = "20",
    show: str = "",
    verify: bool = False,
    json: bool = False,
) -> None:
    """Show the operations of an environment, from its journal."""
    with cli.outcome():
        from towline.insight.history import operations, require_whole

        if verify:
            fleet = cli.open_fleet(env, only_look=True)
            count = require_whole(fleet)
            terminal.say(f"{count} entries, the chain is whole")
            for away in fleet.away:
                terminal.tell(f"  {away.host} is away: what it remembers was not compared")
            return
        site = cli.open_lead_environment(env)
        if show:
            _show_one(site, show, json)
            return
        if wrong := site.journal.failure():
            mark = terminal.paint("!", "yellow", sys.stderr)
            terminal.tell(f"  {mark}  the journal is damaged: {wrong}")
            terminal.tell(f"  next: `inv history.repair --env {env}`")
        found = operations(site, last=cli.count(lines, "--lines"))
        if json:
            terminal.say_json_list("history", "operations", [_data(item) for item in found])
        elif found:
            rows = [{**_row(item), "by": str(item.actor)} for item in found]
            terminal.table(list(rows[0]), [list(row.values()) for row in rows])
        else:
            terminal.say(f"nothing happened in {env} yet")


def _show_one(site: HostEnvironment, identifier: str, json: bool) -> None:
    from towline.insight.past_steps import show_operation

    operation, steps = show_operation(site, identifier)
    if json:
        data = {**_data(operation), "steps": [item.data() for item in steps]}
        terminal.say_json("operation", data)
        return
    for name, value in {"id": operation.id, **_row(operation), "by": str(operation.actor)}.items():
        if value:
            terminal.say(f"{name:<10} {value}")
    for step in steps:
        terminal.say(f"\n{step.name}  {step.result}  {step.text}".rstrip())
        for verdict in step.verdicts:
            where = f" on {verdict.host}" if verdict.host else ""
            terminal.say(f"  {verdict.gate}{where}: {verdict.outcome}")
            for figure, number in verdict.figures.items():
                terminal.say(f"    {figure:<28} {number:g}")


def _row(item: PastOperation) -> dict[str, str]:
    """For people."""
    from towline.config.units import format_duration

    return {
        "result": item.result.value,
        "operation": item.kind,
        "release": item.release,
        "from": item.before,
        "at": item.began_at[:19].replace("T", " "),
        "took": "" if item.seconds is None else format_duration(item.seconds),
        "reason": item.reason,
    }


def _data(item: PastOperation) -> dict[str, Any]:
    """For machines; `at` and `took`, which are for people, stay for one minor version."""
    more = {"id": item.id, "began_at": item.began_at, "seconds": item.seconds}
    return {**_row(item), **more, "actor": item.actor.data()}


@task(
    auto_shortflags=False,
    iterable=["without"],
    help={
        "env": cli.ENV_HELP,
        "without": cli.WITHOUT_HELP,
        "reason": cli.REASON_HELP,
        "yes": cli.YES_HELP,
        "dry_run": cli.DRY_RUN_HELP,
    },
)
def repair(
    c: Context,
    env: str = "local",
    without: list[str] | None = None,
    reason: str = "",
    yes: bool = False,
    dry_run: bool = False,
) -> None:
    """Put a damaged journal aside, or note what it lacks; what serves stays as it is."""
    with cli.outcome():
        from towline.rollout.repair import find_damage, repair_journal

        fleet = cli.open_fleet(env, without=without)
        wrong = find_damage(fleet)
        if not wrong:
            terminal.say(f"the journal of {env} needs no repair")
            return
        for line in wrong:
            terminal.say(line)
        if cli.is_dry(c, dry_run):
            terminal.say("would repair the journal: it is put aside where its chain is broken")
            return
        cli.confirm(f"Repair the journal of {env}?", yes=yes)
        place = repair_journal(fleet, thorough=True, reason=reason, say=terminal.tell)
        if place:
            terminal.say(f"the damaged journal is {place} now, and a new one begins")
        else:
            terminal.say("the journal goes on, and says what it lacks")
        terminal.say(f"next: `inv status --env {env}`")


ns = Collection("history", show, repair)
