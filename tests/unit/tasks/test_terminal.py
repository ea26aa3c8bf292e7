"""What a person sees while steps run: on a terminal, and in the log of a CI service."""

import io
import re
import sys

import pytest
from invoke import Context

from towline.tasks import ns, terminal


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


def listed(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream)
    ns["help"](Context())
    return stream.getvalue().splitlines()


def texts(lines):
    """What the last column says of each task, put together again."""
    place = lines[0].index("what it does")
    found, name = {}, ""
    for line in lines[1 : lines.index("")]:
        name = line[:place].strip() or name
        found[name] = [*found.get(name, []), line[place:]]
    return {name: " ".join(parts) for name, parts in found.items()}


@pytest.mark.parametrize(
    ("is_terminal", "columns", "limit"),
    [(False, 200, 80), (True, 60, 80), (True, 80, 80), (True, 100, 100), (True, 200, 200)],
)
def test_the_list_of_tasks_fits_the_screen_and_loses_no_word(
    monkeypatch, is_terminal, columns, limit
):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    lines = listed(monkeypatch, Terminal() if is_terminal else io.StringIO())
    assert max(map(len, lines)) <= limit
    whole = texts(lines)
    assert len(whole) == len(set(ns.task_names))
    for name in ns.task_names:
        first = ns[name].__doc__.splitlines()[0]
        assert whole[name if name in whole else name.rpartition(".")[0]] == first


def test_a_table_of_data_is_not_wrapped(monkeypatch, capsys):
    terminal.table(["a", "b"], [["1", "word " * 40]])
    assert len(capsys.readouterr().out.splitlines()) == 2
    terminal.table(["a", "b"], [["1", "x" * 50 + " y"], ["2", ""]], limit=40)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["a  b", f"1  {'x' * 37}", f"   {'x' * 13} y", "2"]


@pytest.mark.parametrize("columns", [80, 100])
def test_tables_with_long_names_fit_a_terminal_and_lose_nothing(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    row = ["warehouse-production-green-recommendation-engine-12", "app", "green", "2026.11.21-rc.4",
           "restarting (1) 3 seconds ago, unhealthy since 12 minutes"]  # fmt: skip
    terminal.table(["name", "role", "slot", "release", "status"], [row])
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    for cell in row:
        assert all(word in "".join(lines) for word in cell.split() if len(word) < 8)
    names = "".join(line.split("  ")[0].strip() for line in lines[1:])
    assert names == row[0]
