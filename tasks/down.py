"""`inv down`."""

import sys

from invoke import Context, task

from . import seam, terminal


@task(
    auto_shortflags=False,
    help={
        "env": seam.ENV_HELP,
        "host": "Only on these hosts, separated by commas. Default: all.",
        "volumes": "Remove the data of databases too. Default: off.",
        "unmanaged": "Remove what another state folder deployed, too. Default: off, refuse.",
        "without": seam.WITHOUT_HELP,
        "reason": seam.REASON_HELP,
        "yes": seam.YES_HELP,
        "dry_run": seam.DRY_RUN_HELP,
    },
    iterable=["without", "host"],
)
def down(
    c: Context,
    env: str = "local",
    host: list[str] | None = None,
    volumes: bool = False,
    unmanaged: bool = False,
    without: list[str] | None = None,
    reason: str = "",
    yes: bool = False,
    dry_run: bool = False,
) -> None:
    """Stop an environment and remove its containers; releases and data are retained."""
    with seam.outcome():
        from towline.rollout.down import plan, take_down

        fleet, hosts = seam.open_fleet(env, without=without), seam.names(host)
        lines = plan(fleet, volumes=volumes, hosts=hosts, unmanaged=unmanaged)
        if not lines:
            terminal.say(f"nothing runs in {env}: nothing to do")
            return
        for line in lines:
            terminal.say(line)
        if seam.is_dry(c, dry_run):
            return
        where = f" on {', '.join(hosts)}" if hosts else ""
        data = " and DELETE ITS DATA" if volumes else ""
        seam.confirm(f"Take {env} down{where}{data}?", yes=yes)
        left = take_down(
            fleet,
            volumes=volumes,
            hosts=hosts,
            unmanaged=unmanaged,
            reason=reason,
            say=terminal.tell,
        )
        for line in left:
            terminal.tell(f"  {terminal.paint('!', 'yellow', sys.stderr)}  {line}")
        terminal.say(f"{env} is down{where}")
