"""`inv rollback`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from invoke import Context, task

from . import cli, terminal
from .operation import approve, carry_out, show

if TYPE_CHECKING:
    from towline.environments.host_environment import Fleet
    from towline.insight.retained import Retained


@task(
    auto_shortflags=False,
    iterable=["without"],
    help={
        "env": cli.ENV_HELP,
        "version": "Retained release to roll back to. Default: the previous good one.",
        "reason": "Why; recorded in the journal and with the release that is left.",
        "list_versions": "List the retained releases, by host where they differ. Default: off.",
        "keep_schema": "Go back although the schema changed, or nobody knows. Default: off.",
        "force": "Emergency: skip all checks but the old release's health. Default: off.",
        "allow_restart": cli.ALLOW_RESTART_HELP,
        "auto_approve": "Do not ask. Required in non-interactive shells. Default: off.",
        "without": cli.WITHOUT_HELP,
        "dry_run": cli.DRY_RUN_HELP,
        "json": cli.JSON_HELP,
    },
)
def rollback(
    c: Context,
    env: str = "local",
    version: str = "",
    reason: str = "",
    list_versions: bool = False,
    keep_schema: bool = False,
    force: bool = False,
    allow_restart: bool = False,
    auto_approve: bool = False,
    without: list[str] | None = None,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Roll back to a retained release: start it, prove it is healthy, switch."""
    with cli.outcome():
        from towline.rollout import operations
        from towline.rollout.repair import repair_journal

        # One that only lists shows the others where a host is away.
        fleet = cli.open_fleet(env, without=without, only_look=list_versions)
        if list_versions:
            _list(fleet, json)
            return
        operation = operations.rollback(
            fleet, version=version, reason=reason, keep_schema=keep_schema, force=force
        )
        if cli.is_dry(c, dry_run):
            show(operation.plan, json)
            return
        question = f"Roll {env} back from {operation.leaves} to {operation.goes_to}?"
        if operation.schema_question:
            # Not what --auto-approve is for: the database may be newer than the code.
            cli.confirm(
                f"{operation.schema_question} Roll back to {operation.plan.release} on the "
                "schema as it is?",
                yes=keep_schema,
                option="--keep-schema",
            )
        approved = approve(
            operation,
            allow_restart=allow_restart,
            question=question,
            yes=auto_approve,
            option="--auto-approve",
        )
        if force and (damaged := repair_journal(fleet, say=terminal.tell)):
            terminal.tell(
                f"  {terminal.paint('!', 'yellow', sys.stderr)}  the journal was damaged; "
                f"it is {damaged} now, and a new one begins"
            )
        carry_out(approved, json)


def table(found: Retained) -> list[dict[str, str]]:
    """The retained releases for people: hosts are named where they differ."""
    differ = any((item.hosts or found.hosts) != found.hosts for item in found.releases)
    rows = []
    for item in found.releases:
        hosts = item.hosts or found.hosts
        row = release_row(item.data())
        named = {"hosts": "all" if hosts == found.hosts else ", ".join(hosts)}
        rows.append({**row, **(named if differ else {})})
    return rows


def release_row(data: Mapping[str, Any]) -> dict[str, str]:
    """One retained release for people."""
    columns = ("status", "release", "commit", "deployed", "where", "reason")
    return {name: data[name] for name in columns}


def _list(fleet: Fleet, json: bool) -> None:
    from towline.insight.retained import retained

    found = retained(fleet)
    for item in found.away:
        terminal.tell(f"{item.host} is not shown: {item.why}")
    if json:
        terminal.say_json_list("releases", "releases", [item.data() for item in found.releases])
    elif rows := table(found):
        terminal.table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        terminal.say("no release is retained")
