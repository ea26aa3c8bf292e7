"""`inv history`."""

from invoke import Context, task

from . import seam, terminal


@task(
    auto_shortflags=False,
    help={
        "env": seam.ENV_HELP,
        "lines": "How many operations to show. Default: 20.",
        "verify": "Check that no journal line was changed or lost. Default: off.",
        "json": seam.JSON_HELP,
    },
)
def history(
    c: Context, env: str = "local", lines: str = "20", verify: bool = False, json: bool = False
) -> None:
    """Show the operations of an environment, from its journal."""
    with seam.outcome():
        from towline.insight.history import operations, require_whole

        site = seam.open_site(env)
        if verify:
            count = require_whole(site)
            terminal.say(f"{count} entries, the chain is whole")
            return
        rows = operations(site, last=seam.count(lines, "--lines"))
        if json:
            terminal.say_json(rows)
        elif rows:
            terminal.table(list(rows[0]), [list(row.values()) for row in rows])
        else:
            terminal.say(f"nothing happened in {env} yet")
