"""What is kept of a release that failed: what its containers and jobs printed, and its mark."""

from towline.config.services import Role
from towline.engines.base import Engine
from towline.engines.job_failure import JobFailed
from towline.environments.fence import if_possible, now
from towline.environments.host_environment import HostEnvironment
from towline.rollout.plan import Plan
from towline.state.releases import Release, Status

_LOG_LINES = 200
_SHOWN_LINES = 8


def keep_logs(site: HostEnvironment, engine: Engine, plan: Plan, since: float) -> list[str]:
    """Save what the new containers printed; returns the last lines to show.

    Args:
        site: The environment on the host.
        engine: Its engine.
        plan: What was done there.
        since: When that began, by `fence.now`.
    """
    release = site.store.get(plan.release)
    redact = site.redactor.redact
    shown: list[str] = []
    for item in engine.observe().of(plan.slot):
        if release is None or item.release != release.id:
            continue
        lines = [redact(line) for line in engine.logs(item, _LOG_LINES)]
        path = release.folder / "logs" / f"{item.name}.log"
        with if_possible():
            site.files.write(path, ("\n".join(lines) + "\n").encode(), 0o600)
        if lines and item.role == Role.APP:
            # What it printed long ago, as a standby, does not explain this failure.
            recent = engine.logs(item, _SHOWN_LINES, now() - since)
            title = f"last lines of {item.name}{_where(site)} (more in {path}):"
            shown += [title] if recent else []
            shown += [f"  {redact(line)}" for line in recent]
    return shown


def with_log(site: HostEnvironment, release: Release, name: str, error: JobFailed) -> JobFailed:
    """The same error, which names the file that all of a job's output was written to."""
    path = release.folder / "logs" / f"{name}.log"
    text = "".join(f"{site.redactor.redact(line)}\n" for line in error.log)
    with if_possible():
        site.files.write(path, text.encode(), 0o600)
        title = f"last lines of {name}{_where(site)} (all of them: {path}):"
        error.details = (title, *error.details)
    return error


def mark_bad(site: HostEnvironment, plan: Plan, reason: str) -> None:
    """Keep in mind that the release failed."""
    release = site.store.get(plan.release)
    if release:
        with if_possible():
            site.store.mark(release, Status.BAD, reason)


def _where(site: HostEnvironment) -> str:
    return f" on {site.host.name}" if site.remote else ""
