"""What may pass is waited for; what will not is told at once."""

import time
from types import SimpleNamespace

import pytest
from docker.errors import APIError

from towline.errors import TowlineError, UsageError
from towline.hosts.waiting import wait_for


class Host:
    """Answers when the errors are used up."""

    def __init__(self, *errors):
        self.errors, self.forgot = list(errors), 0

    def docker(self):
        return SimpleNamespace(ping=self.ping)

    def ping(self):
        if self.errors:
            raise self.errors.pop(0)

    def forget(self):
        self.forgot += 1


@pytest.mark.parametrize(
    "error", [EOFError(), ConnectionResetError(), TowlineError("lost"), APIError("down"),
              UsageError("no engine answers")],
)  # fmt: skip
def test_a_cut_passes(error):
    host = Host(error, error)
    wait_for(host, 5)
    assert host.forgot == 2


def test_after_the_limit_it_says_why():
    host = Host(*[EOFError("cut")] * 99)
    started = time.monotonic()
    with pytest.raises(EOFError, match="cut"):
        wait_for(host, 0.25)
    assert time.monotonic() - started < 2


def test_a_bug_is_not_waited_for():
    host = Host(ValueError("a bug"), EOFError())
    with pytest.raises(ValueError, match="a bug"):
        wait_for(host, 5)
