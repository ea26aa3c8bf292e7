"""A host whose connection was cut, or whose engine is starting, is waited for."""

import time

from towline.errors import TowlineError
from towline.hosts.base import Host

_POLL = 0.1


def wait_for(host: Host, limit: float) -> None:
    """Wait until the engine of a host answers.

    Args:
        host: The host.
        limit: Seconds.

    Raises:
        Exception: What it said last, when it does not answer within the limit.
    """
    ends = time.monotonic() + limit
    while True:
        try:
            host.docker().ping()
        except Exception as error:
            # What a connection says that breaks is one of many things; all of them may pass.
            if time.monotonic() > ends or not _may_pass(error):
                raise
            host.forget()
            time.sleep(_POLL)
        else:
            return


def _may_pass(error: Exception) -> bool:
    """Whether it may be a connection that is cut, and no bug or wrong key."""
    names = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError | EOFError | TowlineError) or bool(
        names & {"docker", "requests", "urllib3", "paramiko"}
    )
