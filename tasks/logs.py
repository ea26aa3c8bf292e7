"""`inv logs`."""

from invoke import Context, task

from . import seam, terminal


@task(
    auto_shortflags=False,
    help={
        "env": seam.ENV_HELP,
        "service": "Service of the compose file. Default: every app service.",
        "lines": "How many lines of each container. Default: 100.",
    },
)
def logs(c: Context, env: str = "local", service: str = "", lines: str = "100") -> None:
    """Print the last log lines of a service, secrets masked."""
    with seam.outcome():
        from towline.insight.logs import read

        for site in seam.open_fleet(env).sites:
            host = f"{site.host.name} " if site.remote else ""
            for name, printed in read(site, service, seam.count(lines, "--lines")):
                terminal.tell(terminal.paint(f"--- {host}{name}", "dim"))
                for line in printed:
                    terminal.say(line)
