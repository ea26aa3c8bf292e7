"""Whose fault a failure is: the release's, or that of what it runs on.

A release that failed is marked bad, and nothing deploys it again by itself. A host that rebooted,
an engine that went away, a connection that was cut and a full disk say nothing about a release.
"""

from contextlib import suppress
from pathlib import Path

from towline.environments.fence import now
from towline.errors import DiskFull, TowlineError
from towline.hosts import full_disk
from towline.hosts.waiting import is_connection_error
from towline.rollout.gates.base import GateUndecided
from towline.rollout.host_rollout import HostRollout

# Written by the engine when it starts. Where it is elsewhere, or not ours to see, nothing is known.
_ENGINE_STARTED = Path("/var/run/docker.pid")


def is_infrastructure(part: HostRollout, error: Exception, since: float) -> bool:
    """Whether something else than the release made a step fail.

    Args:
        part: The host on which it failed.
        error: What was said.
        since: When the operation began, by `fence.now`.
    """
    if (
        isinstance(error, GateUndecided)
        or is_connection_error(error)
        or isinstance(error, OSError)
        or fullness(part, error)
    ):
        return True
    # What ran ended with the engine, and a gate only saw that it ended.
    with suppress(OSError, TowlineError):
        return part.site.host.files.age(_ENGINE_STARTED) < now() - since
    return False


def fullness(part: HostRollout, error: Exception) -> DiskFull | None:
    """The same error as one of a full disk; None when it is none."""
    return full_disk.found(error, part.site.host, part.site.state.root)
