"""`inv pre-deploy-check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invoke import Context, task

from . import cli, terminal

if TYPE_CHECKING:
    from towline.findings import Finding


@task(
    name="pre-deploy-check",
    aliases=["check"],
    auto_shortflags=False,
    iterable=["without"],
    help={"env": cli.ENV_HELP, "without": cli.WITHOUT_HELP, "json": cli.JSON_HELP},
)
def pre_deploy_check(
    c: Context, env: str = "local", without: list[str] | None = None, json: bool = False
) -> None:
    """Check all that a deploy needs: files, secrets, certificates, disk, ports, engine."""
    with cli.outcome():
        from towline.checks.preflight import examine, stop_on_errors

        findings = examine(cli.open_fleet(env, without=without))
        show(findings, json)
        command = f"inv pre-deploy-check --env {env}"
        stop_on_errors(findings, command=command, shown=not json)


def show(findings: list[Finding], json: bool) -> None:
    """Print each finding once: those that want something with details and remedy."""
    from towline.findings import Severity, group

    if json:
        terminal.say_json_list("check", "findings", [vars_of(item) for item in findings])
        return
    groups = group(findings)
    width = max((len(item.finding.check) for item in groups), default=0)
    style = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.OK: "green"}
    for item in groups:
        found = item.finding
        mark = terminal.paint(f"{found.severity.value:<7}", style[found.severity])
        _say(f"{mark}  {found.check:<{width}}  ", 11 + width, item.message)
        if found.severity is not Severity.OK:
            indent = " " * (11 + width)
            for line in found.details:
                terminal.say(f"{indent}  {line}")
            if found.remedy:
                _say(f"{indent}-> ", 14 + width, found.remedy)


def _say(before: str, taken: int, text: str) -> None:
    """Print a text after others, as wide as the screen."""
    first, *rest = terminal.wrapped(text, taken)
    terminal.say(f"{before}{first}")
    for line in rest:
        terminal.say(f"{'':<{taken}}{line}")


def vars_of(finding: object) -> dict[str, Any]:
    """A finding as plain data."""
    from dataclasses import asdict

    return asdict(finding)  # type: ignore[call-overload, no-any-return]
