"""`inv build`."""

from invoke import Context, task

from . import cli, terminal


@task(
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "dry_run": cli.DRY_RUN_HELP,
        "json": cli.JSON_HELP,
    },
)
def build(c: Context, env: str = "local", dry_run: bool = False, json: bool = False) -> None:
    """Build the images of the promoted release, tagged with version and commit."""
    with cli.outcome():
        from towline.rollout import images

        site = cli.open_lead_environment(env)
        rows = (
            images.planned(site) if cli.is_dry(c, dry_run) else images.build(site, terminal.Steps())
        )
        if json:
            terminal.say_json_list("build", "images", rows)
        elif rows:
            terminal.table(list(rows[0]), [list(row.values()) for row in rows])
        else:
            terminal.say("the compose file builds no image: nothing to do")
