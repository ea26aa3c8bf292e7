"""`inv pre-deploy-check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invoke import Context, task

from . import seam, terminal

if TYPE_CHECKING:
    from towline.findings import Finding


@task(
    name="pre-deploy-check",
    aliases=["check"],
    auto_shortflags=False,
    help={"env": seam.ENV_HELP, "json": seam.JSON_HELP},
)
def pre_deploy_check(c: Context, env: str = "local", json: bool = False) -> None:
    """Check all that a deploy needs: files, secrets, certificates, disk, ports, engine."""
    with seam.outcome():
        from towline.rollout.preflight import examine, stop_on_errors

        findings = examine(seam.open_fleet(env))
        show(findings, json)
        stop_on_errors(findings)


def show(findings: list[Finding], json: bool) -> None:
    """Print findings, and the remedies of those that want one."""
    from towline.findings import Severity

    if json:
        terminal.say_json([vars_of(finding) for finding in findings])
        return
    terminal.table(
        ["result", "check", "finding"],
        [[item.severity.value, item.check, item.message] for item in findings],
    )
    for item in findings:
        if item.severity is not Severity.OK and item.remedy:
            lines = [f"\n{item.check}: {item.message}", *(f"     {x}" for x in item.details)]
            terminal.say("\n".join([*lines, f"  -> {item.remedy}"]))


def vars_of(finding: object) -> dict[str, Any]:
    """A finding as plain data."""
    from dataclasses import asdict

    return asdict(finding)  # type: ignore[call-overload, no-any-return]
