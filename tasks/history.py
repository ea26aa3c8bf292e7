"""`inv history` and `inv history.repair`."""

import sys

from invoke import Collection, Context, task

from . import seam, terminal


@task(
    default=True,
    auto_shortflags=False,
    help={
        "env": seam.ENV_HELP,
        "lines": "How many operations to show. Default: 20.",
        "verify": "Check that no journal line was changed or lost. Default: off.",
        "json": seam.JSON_HELP,
    },
)
def show(
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
        if wrong := site.journal.failure():
            mark = terminal.paint("!", "yellow", sys.stderr)
            terminal.tell(f"  {mark}  the journal is damaged: {wrong}")
            terminal.tell(f"  next: `inv history.repair --env {env}`")
        rows = operations(site, last=seam.count(lines, "--lines"))
        if json:
            terminal.say_json(rows)
        elif rows:
            terminal.table(list(rows[0]), [list(row.values()) for row in rows])
        else:
            terminal.say(f"nothing happened in {env} yet")


@task(
    auto_shortflags=False,
    help={"env": seam.ENV_HELP, "yes": seam.YES_HELP, "dry_run": seam.DRY_RUN_HELP},
)
def repair(c: Context, env: str = "local", yes: bool = False, dry_run: bool = False) -> None:
    """Put a damaged journal aside and begin a new one; what serves stays as it is."""
    with seam.outcome():
        from towline.rollout.repair import repair_journal

        fleet = seam.open_fleet(env)
        wrong = fleet.lead.journal.failure()
        if not wrong:
            terminal.say(f"the journal of {env} needs no repair; `inv history --verify` checks all")
            return
        terminal.say(wrong)
        if seam.is_dry(c, dry_run):
            terminal.say("would put the journal aside and begin a new one")
            return
        seam.confirm(f"Put the journal of {env} aside and begin a new one?", yes=yes)
        terminal.say(f"the damaged journal is {repair_journal(fleet)} now, and a new one begins")
        terminal.say(f"next: `inv status --env {env}`")


ns = Collection("history", show, repair)
