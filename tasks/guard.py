"""`inv guard`, `inv guard.start`, `guard.status`, `guard.stop` and `guard.unit`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from invoke import Collection, Context, task

from . import cli, terminal

if TYPE_CHECKING:
    from towline.environments.host_environment import HostEnvironment


@task(
    default=True,
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "for_": "Stop after so long, such as 30m, or once it rolled back. Default: watch on.",
        "json": cli.JSON_HELP,
    },
)
def run(c: Context, env: str = "local", for_: str = "", json: bool = False) -> None:
    """Watch what is live, in the foreground; roll back when a trigger fires."""
    with cli.outcome():
        from towline.guard import process, watching
        from towline.guard.watched import require_well

        limit = cli.duration(for_, "--for") if for_ else None
        watched = watching.watch(
            cli.open_project(),
            env,
            say=_tell,
            progress=terminal.Steps(),
            limit=limit,
            log=os.environ.get(process.LOG, ""),
        )
        if json:
            terminal.say_json("guard", {"environment": env, **watched.data()})
        if limit is not None:
            require_well(watched, env)
            if not json:
                terminal.say(f"{watched.release} stayed well in {env}: {watched.rounds} rounds")


@task(auto_shortflags=False, help={"env": cli.ENV_HELP})
def start(c: Context, env: str = "local") -> None:
    """Start a guard on this machine that runs on by itself."""
    with cli.outcome():
        from towline.guard import process

        project = cli.open_project()
        site = cli.open_lead_environment(env)
        found = process.start(site, project)
        terminal.say(f"a guard watches {env}: process {found.pid}, log {found.log}")
        terminal.say(f"next: `inv guard.status --env {env}`")


@task(auto_shortflags=False, help={"env": cli.ENV_HELP, "json": cli.JSON_HELP})
def status(c: Context, env: str = "local", json: bool = False) -> None:
    """Show who watches an environment, and what was decided lately."""
    with cli.outcome():
        from towline.guard import process
        from towline.guard.registration import read_living

        site = cli.open_lead_environment(env)
        found = read_living(site)
        decisions = _decisions(site)
        if json:
            guard = found.data() if found else None
            terminal.say_json(
                "guard-status", {"environment": env, "guard": guard, "decisions": decisions}
            )
        else:
            for item in decisions:
                terminal.say(f"{item['at'][:19].replace('T', ' ')}  {item['reason']}")
            if found:
                terminal.say(f"a guard watches {env}: {found}")
                if found.log:
                    terminal.say(f"log: {found.log}")
        process.require_living(site)


@task(
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "wait": "Wait so long for a rollback that it is doing to end. Default: 5m.",
    },
)
def stop(c: Context, env: str = "local", wait: str = "5m") -> None:
    """Stop the guard of an environment; a rollback that it is doing is done first."""
    with cli.outcome():
        from towline.guard import process

        limit = cli.duration(wait, "--wait")
        found = process.stop(cli.open_lead_environment(env), limit=limit, say=terminal.tell)
        terminal.say(f"the guard of {env} is stopped (process {found.pid})")


@task(auto_shortflags=False, help={"env": cli.ENV_HELP})
def unit(c: Context, env: str = "local") -> None:
    """Print a systemd unit that runs the guard of an environment."""
    with cli.outcome():
        from towline.guard.unit import render_unit

        project = cli.open_project()
        project.environment(env)
        state = os.environ.get("TOWLINE_STATE", "")
        terminal.say_raw(render_unit(project.settings.project, env, project.root, state))


def _tell(text: str) -> None:
    terminal.tell(f"{time.strftime('%H:%M:%S')}  {text}")


def _decisions(site: HostEnvironment) -> list[dict[str, Any]]:
    from towline.guard.record import recent

    return [{**item.data(), "at": item.at} for item in recent(site.journal)]


ns = Collection("guard", run, start, status, stop, unit)
