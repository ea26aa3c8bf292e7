"""Jobs, such as migrations: each runs to its end in a container that its labels identify.

Compose only starts a job. It runs on its host without us, so that a lost connection neither ends
it nor hides it: the next command finds it by its labels, and waits for it or stops it. What is
stopped gets its `stop_grace_period`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.config.units import format_duration
from towline.engines.compose.containers import stop
from towline.engines.job_failure import JobFailed
from towline.engines.observed import Container
from towline.errors import Locked
from towline.hosts.waiting import is_connection_error

if TYPE_CHECKING:
    from docker import APIClient

_POLL = 0.1
# Lines of its output that are retained when it fails; a job that prints without end has more.
_LOG_LINES = 20_000


@dataclass(frozen=True)
class Job:
    """One job of a release.

    Attributes:
        service: Its service.
        release: The release's identifier.
        limit: Seconds that it may take.
    """

    service: str
    release: str
    limit: float

    def is_in(self, container: Container) -> bool:
        """Whether a container is a run of this very job."""
        return (container.service, container.release) == (self.service, self.release)


def run(
    api: APIClient,
    job: Job,
    found: Iterable[Container],
    start: Callable[[], str],
    check_cancelled: Callable[[], None],
) -> str:
    """Run a job to its end and return what it printed.

    One that an interrupted deploy left running is waited for; when it ended well meanwhile, it is
    not run again.

    Args:
        api: The engine's client.
        job: What is to run.
        found: The job containers of the environment.
        start: Starts a container for it and returns its id.
        check_cancelled: Called in every wait; when it raises, the job is stopped.

    Raises:
        JobFailed: When it exits with another code than 0, or not within its limit.
    """
    left = [item for item in found if job.is_in(item)]
    running = [item.id for item in left if item.running]
    ended = [item.id for item in left if not item.running and _exit_code(api, item.id) == 0]
    container = next(iter([*running, *ended]), "") or start()
    try:
        has_ended = _ends(api, container, job.limit, check_cancelled)
    except Exception as error:
        # Who has the lock now may be waiting for this job, and a host that is lost is asked to
        # stop it on the way back.
        if not (isinstance(error, Locked) or is_connection_error(error)):
            stop(api, container)
        raise
    if not has_ended:
        stop(api, container)
        raise _too_long(api, job, container)
    return _outcome(api, job, container)


def _ends(
    api: APIClient, container: str, limit: float, check_cancelled: Callable[[], None]
) -> bool:
    """Wait for the end of a container; False when that takes longer than so many seconds."""
    deadline = time.monotonic() + limit
    while api.inspect_container(container)["State"]["Running"]:
        check_cancelled()
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _too_long(api: APIClient, job: Job, container: str) -> JobFailed:
    return JobFailed(
        f"job {job.service} of release {job.release} did not end within "
        f"{format_duration(job.limit)}, and was stopped",
        log=_log(api, container),
        remedy="if it needs longer: `x-towline: {timeout: 2h}` for the service, or "
        "rollout.job_timeout in towline.yaml",
    )


def _outcome(api: APIClient, job: Job, container: str) -> str:
    code, log = _exit_code(api, container), _log(api, container)
    api.remove_container(container)
    if code:
        raise JobFailed(
            f"job {job.service} of release {job.release} exited with code {code}", log=log
        )
    return "\n".join(log)


def _exit_code(api: APIClient, container: str) -> int:
    return int(api.inspect_container(container)["State"]["ExitCode"])


def _log(api: APIClient, container: str) -> list[str]:
    raw: bytes = api.logs(container, tail=_LOG_LINES)
    return [line for line in raw.decode("utf-8", "replace").splitlines() if line.strip()]
