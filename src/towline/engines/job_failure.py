"""How a job ends badly, whatever runs it."""

from towline.errors import TowlineError

_SHOWN_LINES = 15


class JobFailed(TowlineError):
    """A job failed, or took too long; `log` is what it printed, a line each."""

    def __init__(self, message: str, *, log: list[str], remedy: str = "") -> None:
        super().__init__(message, details=log[-_SHOWN_LINES:], remedy=remedy)
        self.log = log
