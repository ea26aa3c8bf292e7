"""`inv migrate`."""

from invoke import Context, task

from . import cli
from .operation import approve, carry_out, show


@task(
    auto_shortflags=False,
    iterable=["without"],
    help={
        "env": cli.ENV_HELP,
        "without": cli.WITHOUT_HELP,
        "allow_restart": cli.ALLOW_RESTART_HELP,
        "dry_run": cli.DRY_RUN_HELP,
        "json": cli.JSON_HELP,
    },
)
def migrate(
    c: Context,
    env: str = "local",
    without: list[str] | None = None,
    allow_restart: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Run the migration job in the promoted release's image, without moving traffic."""
    with cli.outcome():
        from towline.rollout import operations

        operation = operations.migrate(cli.open_fleet(env, without=without))
        if cli.is_dry(c, dry_run) or operation.plan.nothing_to_do:
            show(operation.plan, json)
            return
        carry_out(approve(operation, allow_restart=allow_restart), json)
