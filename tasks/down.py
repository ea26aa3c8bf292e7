"""`inv down`."""

import sys

from invoke import Context, task

from . import cli, terminal


@task(
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "host": "Only on these hosts, separated by commas. Default: all.",
        "volumes": "Remove the data of databases too. Default: off.",
        "images": "Remove the images that were built for its releases, too. Default: off.",
        "unmanaged": "Remove what another state folder deployed, too. Default: off, refuse.",
        "without": cli.WITHOUT_HELP,
        "reason": cli.REASON_HELP,
        "yes": cli.YES_HELP,
        "dry_run": cli.DRY_RUN_HELP,
    },
    iterable=["without", "host"],
)
def down(
    c: Context,
    env: str = "local",
    host: list[str] | None = None,
    volumes: bool = False,
    images: bool = False,
    unmanaged: bool = False,
    without: list[str] | None = None,
    reason: str = "",
    yes: bool = False,
    dry_run: bool = False,
) -> None:
    """Stop an environment and remove its containers; releases and data are retained."""
    with cli.outcome():
        from towline.rollout.down import Extent, plan, stays, take_down

        fleet, hosts = cli.open_fleet(env, without=without), cli.names(host)
        extent = Extent(volumes=volumes, images=images)
        lines = plan(fleet, extent, hosts=hosts, unmanaged=unmanaged)
        if not lines:
            terminal.say(f"nothing runs in {env}: nothing to do")
        for line in lines:
            terminal.say(line)
        for line in stays(fleet, extent, hosts=hosts):
            terminal.tell(f"  stays  {line}")
        if not lines:
            return
        if cli.is_dry(c, dry_run):
            return
        where = f" on {', '.join(hosts)}" if hosts else ""
        data = " and DELETE ITS DATA" if volumes else ""
        cli.confirm(f"Take {env} down{where}{data}?", yes=yes)
        left = take_down(
            fleet,
            extent,
            hosts=hosts,
            unmanaged=unmanaged,
            reason=reason,
            say=terminal.tell,
        )
        for line in left:
            terminal.tell(f"  {terminal.paint('!', 'yellow', sys.stderr)}  {line}")
        terminal.say(f"{env} is down{where}")
