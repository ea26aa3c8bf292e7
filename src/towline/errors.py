"""Every error that Towline raises on purpose, with the exit code it becomes.

TowlineError                1  failed, and nothing serves worse than before
├── HostLost                1  a host, or its engine, does not answer
│   ├── HostUnreachable     1  no connection to a host can be opened
│   ├── ConnectionLost      1  the connection to a host broke
│   └── EngineUnreachable   1  the container engine of a host does not answer any more
│       └── NoEngine        2  none answers when it is first asked; also a UsageError
├── EngineRefused           1  an engine answered, and said no
│   ├── NoSuchObject        1  it knows no such container, image, network or volume
│   └── EngineDiskFull      1  it has no room; also a DiskFull
├── DiskFull                1  a machine has no room
├── UsageError              2  the command line, the configuration or the state does not allow it
│   ├── AuthenticationFailed  2  a host does not let us in
│   └── HostKeyRejected     2  a host shows a key that is not trusted
├── CheckFailed             3  a check or a gate said no; nothing was changed
├── RolledBack              4  failed, and the old release serves again
├── Locked                  5  someone else is running an operation on this environment
└── ManualInterventionRequired  6  failed, and could not be put right without a person

What Paramiko, the Docker SDK and its HTTP library raise becomes one of these in `hosts/`, and
nothing else leaves that room but OSError, for a file. So code above it asks for a type, never for
the package that made an error or for words in its message.
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


class HostUnreachable(HostLost):
    """No connection to a host can be opened."""


class ConnectionLost(HostLost):
    """The connection to a host broke while it was used."""


class EngineUnreachable(HostLost):
    """The container engine of a host does not answer any more."""


class EngineRefused(TowlineError):
    """A container engine answered, and said no.

    Args:
        message: One line: what is wrong, and where.
        status: The HTTP status code of the answer; 0 where there is none.
        explanation: The engine's own words.
        remedy: What to do about it.
    """

    def __init__(
        self, message: str, *, status: int = 0, explanation: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.explanation = explanation or message


class NoSuchObject(EngineRefused):
    """An engine knows no such container, image, network or volume."""


class UsageError(TowlineError):
    """The command line, the configuration or the state does not allow what was asked."""

    exit_code = 2


class DiskFull(TowlineError):
    """A machine has no room to write; that says nothing about a release."""


class EngineDiskFull(DiskFull, EngineRefused):
    """A container engine has no room to do what it was asked for."""


class NoEngine(UsageError, EngineUnreachable):
    """No container engine answers on a host: none is installed, or it is away."""


class AuthenticationFailed(UsageError):
    """A host does not let us in: it accepts none of our keys."""


class HostKeyRejected(UsageError):
    """A host shows a key that is not known, was changed or was revoked."""


class CheckFailed(TowlineError):
    """A check or a gate said no before anything was changed."""

    exit_code = 3


class RolledBack(TowlineError):
    """The operation failed and the old release serves again."""

    exit_code = 4


class Locked(TowlineError):
    """Someone else holds the lock of the environment."""

    exit_code = 5


class ManualInterventionRequired(TowlineError):
    """The operation failed and Towline could not put it right by itself."""

    exit_code = 6
