"""`inv down`."""

import sys

from invoke import Context, task

from . import seam, terminal


@task(
    auto_shortflags=False,
    help={
        "env": seam.ENV_HELP,
        "volumes": "Remove the data of databases too. Default: off.",
        "yes": seam.YES_HELP,
        "dry_run": seam.DRY_RUN_HELP,
    },
)
def down(
    c: Context, env: str = "local", volumes: bool = False, yes: bool = False, dry_run: bool = False
) -> None:
    """Stop an environment and remove its containers; releases and data are kept."""
    with seam.outcome():
        from towline.rollout.down import plan, take_down

        fleet = seam.open_fleet(env)
        lines = plan(fleet, volumes=volumes)
        if not lines:
            terminal.say(f"nothing runs in {env}: nothing to do")
            return
        for line in lines:
            terminal.say(line)
        if seam.is_dry(c, dry_run):
            return
        data = " and DELETE ITS DATA" if volumes else ""
        seam.confirm(f"Take {env} down{data}?", yes=yes)
        for line in take_down(fleet, volumes=volumes):
            terminal.tell(f"  {terminal.paint('!', 'yellow', sys.stderr)}  {line}")
        terminal.say(f"{env} is down")
