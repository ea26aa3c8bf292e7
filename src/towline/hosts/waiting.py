"""A host whose connection was cut, or whose engine is starting, is waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

from towline.errors import HostLost, Locked, TowlineError
from towline.hosts.base import Host

T = TypeVar("T")

_POLL = 0.1
_AGAIN, _PAUSE = 2, 2.0


def wait_for(host: Host, limit: float) -> None:
    """Wait until the engine of a host answers.

    Args:
        host: The host.
        limit: Seconds.

    Raises:
        TowlineError: What it said last, when it does not answer within the limit.
    """
    ends = time.monotonic() + limit
    while True:
        # An engine that is going down still answers those that are connected.
        host.forget()
        try:
            host.docker().ping()
        except (OSError, TowlineError):
            if time.monotonic() > ends:
                raise
            time.sleep(_POLL)
        else:
            return


def retry(act: Callable[[], T], wait: Callable[[float], None], limit: float) -> T:
    """Do something that may be done twice, again and again while the host comes and goes.

    An engine that is being restarted still answers while it stops its containers, so that what
    was done a moment ago is undone: other failures are tried again too, but not for long.

    Args:
        act: What to do.
        wait: Waits until the engine answers, for so many seconds.
        limit: Seconds after which nothing is tried again.

    Raises:
        Exception: What the last try said.
    """
    ends = time.monotonic() + limit
    left = _AGAIN
    while True:
        wait(max(0.0, ends - time.monotonic()))
        try:
            return act()
        except Locked:
            # Nothing is ours to do any more.
            raise
        except Exception as error:
            lost = is_connection_error(error)
            left -= not lost
            if left < 0 or time.monotonic() > ends:
                raise
            time.sleep(_POLL if lost else _PAUSE)


def is_transient(error: Exception) -> bool:
    """Whether it may be a connection that is cut, an engine that is starting, and no bug."""
    return isinstance(error, OSError | TowlineError)


def is_connection_error(error: Exception) -> bool:
    """Whether it is what a connection says that breaks."""
    return isinstance(error, HostLost)
