"""`inv pre-deploy-check`."""

from typing import Any

from invoke import Context, task

from . import seam, terminal


@task(
    name="pre-deploy-check",
    aliases=["check"],
    auto_shortflags=False,
    help={"env": seam.ENV_HELP, "json": seam.JSON_HELP},
)
def pre_deploy_check(c: Context, env: str = "local", json: bool = False) -> None:
    """Check all that a deploy needs: files, secrets, certificates, disk, ports, engine."""
    with seam.outcome():
        from towline.findings import Severity
        from towline.rollout.preflight import examine, stop_on_errors

        findings = examine(seam.open_fleet(env))
        if json:
            terminal.say_json([vars_of(finding) for finding in findings])
        else:
            terminal.table(
                ["result", "check", "finding"],
                [[item.severity.value, item.check, item.message] for item in findings],
            )
            for item in findings:
                if item.severity is not Severity.OK and item.remedy:
                    lines = [
                        f"\n{item.check}: {item.message}",
                        *(f"     {x}" for x in item.details),
                    ]
                    terminal.say("\n".join([*lines, f"  -> {item.remedy}"]))
        stop_on_errors(findings)


def vars_of(finding: object) -> dict[str, Any]:
    """A finding as plain data."""
    from dataclasses import asdict

    return asdict(finding)  # type: ignore[call-overload, no-any-return]
