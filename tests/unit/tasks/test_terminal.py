"""What a person sees while steps run: on a terminal, and in the log of a CI service."""

import io
import re
import sys

from towline.tasks import terminal


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def performed(monkeypatch, stream):
    """What a step writes to standard error, with a message in its middle."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    steps = terminal.Steps()
    with steps.step("start the release") as note:
        steps.say("SIGINT: stopping at the next safe point")
        note.text, note.hosts = "2 hosts", [("web1", "healthy"), ("web10", "healthy too")]
    return re.sub(r"\d\.\d s", "0.0 s", stream.getvalue())


def test_in_a_log_each_step_is_one_line_when_it_is_done(monkeypatch):
    assert performed(monkeypatch, io.StringIO()).splitlines() == [
        "  !           SIGINT: stopping at the next safe point",
        "  ✓    0.0 s  start the release  (2 hosts)",
        "             web1   healthy",
        "             web10  healthy too",
    ]


def test_on_a_terminal_the_line_of_a_running_step_is_replaced(monkeypatch):
    said = performed(monkeypatch, Terminal())
    assert said.startswith("  …          start the release\r\033[K  ! ")
    assert "point\n\r\033[K  ✓    0.0 s  start the release  (2 hosts)\n" in said
