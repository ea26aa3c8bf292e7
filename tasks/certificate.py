"""`inv certificate.reload`."""

from invoke import Collection, Context, task

from . import cli
from .operation import approve, carry_out, show


@task(
    name="reload",
    auto_shortflags=False,
    iterable=["without"],
    help={
        "env": cli.ENV_HELP,
        "without": cli.WITHOUT_HELP,
        "force": "Also where the host's was issued later, or changed there. Default: off.",
        "allow_restart": cli.ALLOW_RESTART_HELP,
        "wait": "Wait so long, such as 5m, for someone else to end. Default: do not wait.",
        "dry_run": cli.DRY_RUN_HELP,
        "json": cli.JSON_HELP,
    },
)
def reload_(
    c: Context,
    env: str = "local",
    without: list[str] | None = None,
    force: bool = False,
    allow_restart: bool = False,
    wait: str = "0",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Bring a renewed certificate to all hosts and reload their routers; no request is lost."""
    with cli.outcome():
        from towline.rollout import operations

        fleet = cli.open_fleet(env, without=without)
        operation = operations.reload_certificates(fleet, force=force)
        if cli.is_dry(c, dry_run):
            show(operation.plan, json)
            return
        approved = approve(operation, allow_restart=allow_restart)
        carry_out(approved, json, wait=cli.duration(wait, "--wait"))


ns = Collection("certificate", reload_)
