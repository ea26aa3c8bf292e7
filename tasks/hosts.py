"""`inv hosts.lead`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke import Collection, Context, task

from . import cli, terminal

if TYPE_CHECKING:
    from towline.environments.host_environment import Fleet, HostEnvironment


@task(
    auto_shortflags=False,
    help={
        "host": "Host that is to be the lead. Default: none, show which one is.",
        "env": cli.ENV_HELP,
        "force": "The lead is lost: begin a new journal; says what is lost. Default: off.",
        "reason": cli.REASON_HELP,
        "yes": cli.YES_HELP,
        "dry_run": cli.DRY_RUN_HELP,
        "json": cli.JSON_HELP,
    },
)
def lead(
    c: Context,
    host: str = "",
    env: str = "local",
    force: bool = False,
    reason: str = "",
    yes: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Show which host has journal, lock and hold of an environment, or move them to another."""
    with cli.outcome():
        from towline.environments.opening import open_unordered

        fleet = open_unordered(cli.open_project(), env)
        if not host:
            _show(fleet, json)
            return
        target = _named(fleet, host)
        if cli.is_dry(c, dry_run):
            terminal.say(f"would make {target.host.name} the lead of {env}")
            return
        if force:
            _force(fleet, target, reason, yes=yes)
            return
        from towline.environments.lead_move import move

        old = move(fleet, target, reason=reason)
        terminal.say(f"{target.host.name} is the lead of {env}; the journal came from {old}")


def _show(fleet: Fleet, json: bool) -> None:
    from towline.environments import lead as leads

    away = [item.host for item in fleet.away]
    name = leads.find(fleet.sites, away).host.name
    if json:
        terminal.say_json("lead", {"lead": name, "away": away})
    else:
        terminal.say(f"{name} is the lead of {fleet.lead.name}: it has journal, lock and hold")
        for item in fleet.away:
            terminal.say(f"  away      {item.host}: {item.why}")


def _named(fleet: Fleet, host: str) -> HostEnvironment:
    from towline.errors import UsageError

    found = next((site for site in fleet.sites if site.host.name == host), None)
    if found is None or not found.remote:
        known = ", ".join(site.host.name for site in fleet.sites if site.remote)
        raise UsageError(
            f"{host} is no host of {fleet.lead.name} that answers",
            remedy=f"hosts that answer: {known or 'none; the environment is on this machine'}",
        )
    return found


def _force(fleet: Fleet, target: HostEnvironment, reason: str, *, yes: bool) -> None:
    from towline.environments.lead_move import force

    cli.confirm(f"Make {target.host.name} the lead without the old lead's journal?", yes=yes)
    lost = force(fleet, target, reason=reason)
    terminal.say(f"{target.host.name} is the lead of {target.name}; what is lost:")
    for line in lost:
        terminal.say(f"  {line}")


ns = Collection("hosts", lead)
