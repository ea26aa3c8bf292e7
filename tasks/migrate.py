"""`inv migrate`."""

from invoke import Context, task

from . import seam
from .operation import approve, carry_out, show


@task(
    auto_shortflags=False,
    iterable=["without"],
    help={
        "env": seam.ENV_HELP,
        "without": seam.WITHOUT_HELP,
        "allow_restart": seam.ALLOW_RESTART_HELP,
        "dry_run": seam.DRY_RUN_HELP,
        "json": seam.JSON_HELP,
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
    with seam.outcome():
        from towline.rollout import operations

        operation = operations.migrate(seam.open_fleet(env, without=without))
        if seam.is_dry(c, dry_run) or operation.plan.nothing_to_do:
            show(operation.plan, json)
            return
        carry_out(approve(operation, allow_restart=allow_restart), json)
