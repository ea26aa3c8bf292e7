"""Smoke tests against an environment as users reach it."""

from towline.config.loading import Project
from towline.errors import CheckFailed, UsageError
from towline.health.smoke import SmokeResult, run_smoke


def report(project: Project, name: str, url: str = "") -> list[SmokeResult]:
    """Run the configured smoke tests against an address, by default the environment's.

    Raises:
        UsageError: When there is no address, or nothing to test.
    """
    environment = project.environment(name)
    smoke = environment.smoke
    address = url or environment.url
    if not address.startswith(("http://", "https://")):
        raise UsageError(
            f"{address!r} is not an address to test" if address else f"{name} has no url",
            remedy=f"set environments.{name}.url in towline.yaml, or give --url https://…",
        )
    if not (smoke.requests or smoke.websockets or smoke.command):
        raise UsageError(
            "no smoke test is configured", remedy="add `smoke.requests` to towline.yaml"
        )
    return run_smoke(address, smoke, folder=project.deploy_tree, insecure=environment.insecure)


def require_passed(results: list[SmokeResult], name: str) -> None:
    """Raise CheckFailed when a test did not pass."""
    failed = [result for result in results if not result.answer.healthy]
    if not failed:
        return
    remedy = f"`inv logs --env {name}` shows what the service printed"
    if any("CERTIFICATE_VERIFY_FAILED" in result.answer.detail for result in failed):
        remedy = f"for a self-signed certificate set environments.{name}.insecure: true"
    raise CheckFailed(
        f"{len(failed)} of {len(results)} smoke tests failed in {name}: {failed[0].name}",
        remedy=remedy,
    )
