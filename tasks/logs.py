"""`inv logs`."""

from invoke import Context, task

from . import cli, terminal


@task(
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "service": "Service of the compose file. Default: every app service.",
        "lines": "How many lines of each container. Default: 100.",
    },
)
def logs(c: Context, env: str = "local", service: str = "", lines: str = "100") -> None:
    """Print the last log lines of a service, secrets masked."""
    with cli.outcome():
        from towline.insight.logs import of_fleet

        fleet = cli.open_fleet(env, only_look=True)
        for host, found in of_fleet(fleet, service, cli.count(lines, "--lines")):
            if isinstance(found, str):
                terminal.tell(f"--- {host} {found}")
                continue
            for name, printed in found:
                terminal.tell(terminal.paint(f"--- {host} {name}".replace("  ", " "), "dim"))
                for line in printed:
                    terminal.say(line)
