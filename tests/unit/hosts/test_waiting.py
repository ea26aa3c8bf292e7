"""What may pass is waited for; what will not is told at once."""

import time
from types import SimpleNamespace

import pytest

from towline.errors import ConnectionLost, EngineRefused, EngineUnreachable, NoEngine, TowlineError
from towline.hosts import waiting
from towline.hosts.waiting import retry, wait_for


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
    "error", [ConnectionLost("cut"), ConnectionResetError(), EngineUnreachable("away"),
              EngineRefused("it is starting"), NoEngine("none answers")],
)  # fmt: skip
def test_a_cut_passes(error):
    host = Host(error, error)
    wait_for(host, 5)
    assert host.forgot == 3


def test_after_the_limit_it_says_why():
    host = Host(*[ConnectionLost("cut")] * 99)
    started = time.monotonic()
    with pytest.raises(ConnectionLost, match="cut"):
        wait_for(host, 0.25)
    assert time.monotonic() - started < 30


def test_a_bug_is_not_waited_for():
    host = Host(ValueError("a bug"), ConnectionLost("cut"))
    with pytest.raises(ValueError, match="a bug"):
        wait_for(host, 5)


class Tries:
    """Fails with each of the errors, then succeeds."""

    def __init__(self, *errors):
        self.errors, self.waits = list(errors), 0

    def __call__(self):
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def wait(self, limit):
        self.waits += 1


def test_what_a_restarting_engine_undid_is_done_again(monkeypatch):
    monkeypatch.setattr(waiting, "_PAUSE", 0.01)
    tries = Tries(
        TowlineError("the router is not running"),
        *[EngineUnreachable("away")] * 4,
        TowlineError("x"),
    )
    assert retry(tries, tries.wait, 5) == "done"
    assert tries.waits == 7


def test_what_does_not_pass_is_told_soon(monkeypatch):
    monkeypatch.setattr(waiting, "_PAUSE", 0.01)
    tries = Tries(*[TowlineError("nginx refuses")] * 9)
    with pytest.raises(TowlineError, match="nginx refuses"):
        retry(tries, tries.wait, 5)
    assert tries.waits == 3


def test_a_connection_that_is_cut_for_ever_has_a_limit():
    tries = Tries(*[ConnectionLost("cut")] * 9999)
    with pytest.raises(ConnectionLost, match="cut"):
        retry(tries, tries.wait, 0.3)
