"""`inv health-check`."""

from invoke import Context, task

from . import cli, terminal


@task(
    name="health-check",
    aliases=["health"],
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "timeout": "Seconds to wait until all is healthy. Default: 0, ask once.",
        "json": cli.JSON_HELP,
    },
)
def health_check(c: Context, env: str = "local", timeout: str = "0", json: bool = False) -> None:
    """Ask every service whether it is healthy."""
    with cli.outcome():
        from towline.insight.health import report, require_healthy

        found = report(
            cli.open_fleet(env, only_look=True), timeout=cli.duration(timeout, "--timeout")
        )
        rows = [item.data() for item in found]
        if json:
            terminal.say_json_list("health", "services", rows)
        elif rows:
            columns = ["health", "service", "slot", "release", "kind", "time", "answer"]
            columns[1:1] = ["host"] if "host" in rows[0] else []
            shown = [{**row, "time": _time(row["seconds"])} for row in rows]
            terminal.table(columns, [[row[column] for column in columns] for row in shown])
        require_healthy(found, env)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"
