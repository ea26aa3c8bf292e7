"""Every error that Towline raises on purpose, with the exit code it becomes.

TowlineError        1  failed, and nothing serves worse than before
├── HostLost        1  a host, or its engine, does not answer
├── DiskFull        1  a machine has no room
├── UsageError      2  the command line, the configuration or the state does not allow it
├── CheckFailed     3  a check or a gate said no; nothing was changed
├── RolledBack      4  failed, and the old release serves again
├── Locked          5  someone else is at work on this environment
└── NeedsPerson     6  failed, and could not be put right without a person
"""

from collections.abc import Sequence


class TowlineError(Exception):
    """Failed, and nothing serves worse than before.

    Args:
        message: One line: what is wrong, and where.
        remedy: What to do about it, best a command to type.
        details: Further lines, such as the last log lines of a container.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = tuple(details)


class HostLost(TowlineError):
    """A host, or its engine, does not answer; that says nothing about a release."""


class UsageError(TowlineError):
    """The command line, the configuration or the state does not allow what was asked."""

    exit_code = 2


class DiskFull(TowlineError):
    """A machine has no room to write; that says nothing about a release."""


class NoEngine(UsageError, HostLost):
    """No container engine answers on a host: none is installed, or it is away."""


class CheckFailed(TowlineError):
    """A check or a gate said no before anything was changed."""

    exit_code = 3


class RolledBack(TowlineError):
    """The operation failed and the old release serves again."""

    exit_code = 4


class Locked(TowlineError):
    """Someone else holds the lock of the environment."""

    exit_code = 5


class NeedsPerson(TowlineError):
    """The operation failed and Towline could not put it right by itself."""

    exit_code = 6
