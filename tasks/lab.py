"""`inv lab.up`, `inv lab.status` and `inv lab.down`: container hosts to try a fleet with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Collection, Context, task

from . import cli, terminal

if TYPE_CHECKING:
    from towline.lab.fleet import Lab

_FOLDER = Path(".towline/lab")


@task(
    auto_shortflags=False,
    help={"hosts": "How many hosts. Default: 3.", "dry_run": cli.DRY_RUN_HELP},
)
def up(c: Context, hosts: str = "3", dry_run: bool = False) -> None:
    """Start container hosts, each with sshd and a Docker engine of its own."""
    with cli.outcome():
        start(cli.count(hosts, "--hosts"), dry=cli.is_dry(c, dry_run))


@task(auto_shortflags=False, help={"json": cli.JSON_HELP})
def status(c: Context, json: bool = False) -> None:
    """Show what the container hosts of the lab are doing."""
    with cli.outcome():
        from towline.lab import fleet

        found = fleet.states(cli.open_project().root / _FOLDER)
        if json:
            rows = [{"host": name, "state": state} for name, state in found.items()]
            # Up to 0.6.0 each host was a field.
            terminal.say_json("lab", {**found, "hosts": rows})
        elif found:
            terminal.table(["host", "state"], [list(row) for row in found.items()])
        else:
            terminal.say("there is no lab; `inv lab.up` starts one")


@task(auto_shortflags=False, help={"dry_run": cli.DRY_RUN_HELP})
def down(c: Context, dry_run: bool = False) -> None:
    """Remove the container hosts of the lab, with all that they hold; nothing else."""
    with cli.outcome():
        remove(dry=cli.is_dry(c, dry_run))


def start(count: int, *, dry: bool) -> None:
    """Start the lab, and say how to use it."""
    from towline.config.envfile import read_env
    from towline.lab import fleet
    from towline.lab.registry import PASSWORD_VARIABLE

    if dry:
        terminal.say(f"would start {count} container hosts, with their keys in {_FOLDER}/")
        return
    root = cli.open_project().root
    # Where official images cannot be had, this names stand-ins.
    settings = root / ".towline" / "lab.env"
    with terminal.Steps().step(f"start {count} container hosts") as note:
        lab = fleet.up(
            root / _FOLDER,
            hosts=count,
            settings=read_env(settings, {}) if settings.is_file() else {},
        )
        note.text = f"keys and ssh_config in {_FOLDER}/"
    _show(lab)
    names = ", ".join(host.name for host in lab.hosts)
    store = lab.registry
    terminal.say("\nname them in an environment of towline.yaml:")
    terminal.say(f"  lab: {{ hosts: [{names}], ssh_config: {_FOLDER}/ssh_config }}")
    terminal.say("and the registry, if images are to travel by one; export its password from")
    terminal.say(f"{_FOLDER}/registry.env:")
    password = f"username: {store.username}, password: {PASSWORD_VARIABLE}"
    terminal.say(f'  registries: {{ "{store.address}": {{ {password} }} }}')
    terminal.say("next: `inv deploy.plan --env lab`; `inv lab.down` removes them")


def remove(*, dry: bool) -> None:
    """Remove the lab."""
    from towline.lab import fleet

    if dry:
        terminal.say("would remove the container hosts of the lab, and their keys")
        return
    removed = fleet.down(cli.open_project().root / _FOLDER)
    terminal.say(f"removed {', '.join(removed)}" if removed else "there is no lab")


def _show(lab: Lab) -> None:
    rows = [
        [host.name, f"127.0.0.1:{host.ssh}", *(f"127.0.0.1:{port}" for port in host.ports.values())]
        for host in lab.hosts
    ]
    header = ["host", "ssh", *(f"port {port}" for port in lab.hosts[0].ports)]
    terminal.table(header, rows)


ns = Collection("lab", up, status, down)
