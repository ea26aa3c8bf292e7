"""How things look: aligned tables, one line a step, colour only on a terminal.

What is printed leaves by `output.write`, which masks secrets.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, TextIO

from . import output

# What every terminal shows, and the least that is left of it for a text.
_WIDTH, _NARROWEST = 80, 20
# The least that is left of a name.
_SHORTEST = 8
# Lets commands print bare lists, as they did up to 0.6.0.
_BARE_LISTS = "TOWLINE_JSON_LISTS"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Colour a text, where colours are wanted."""
    return output.paint(text, style, stream or sys.stdout)


def say(text: str = "") -> None:
    """Print a line of the result."""
    output.write(f"{text}\n", sys.stdout)


def tell(text: str = "") -> None:
    """Print a message that is not the result."""
    output.write(f"{text}\n", sys.stderr)


def say_raw(text: str) -> None:
    """Print a result that has its own line ends, such as a file or a diff."""
    output.write(text, sys.stdout)


def say_json(schema: str, data: Mapping[str, Any]) -> None:
    """Print the result for machines.

    Args:
        schema: What the fields are called together; docs/json.md describes them.
        data: The fields.
    """
    _say_json({"schema": f"towline.{schema}/1", **data})


def say_json_list(schema: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows for machines; up to 0.6.0 they stood there by themselves.

    Args:
        schema: See `say_json`.
        name: The field that holds the rows.
        rows: The rows.
    """
    if os.environ.get(_BARE_LISTS, "0") in ("", "0"):
        say_json(schema, {name: rows})
        return
    tell(f"{paint('!', 'yellow', sys.stderr)}  {_BARE_LISTS} goes with 0.8.0: read `.{name}`")
    _say_json(rows)


def _say_json(data: Any) -> None:
    from towline.config.redaction import KNOWN

    # As values, too: in a text the quotes around a secret may be taken for a part of it.
    say(json.dumps(KNOWN.redact_data(data), indent=2, default=str))


def complain(message: str, details: Sequence[str], remedy: str) -> None:
    """Print an error: what, where, and what to do about it."""
    tell(f"{paint('error', 'red', sys.stderr)}  {message}")
    for line in details:
        tell(f"       {line}")
    if remedy:
        tell(f"{paint('next', 'bold', sys.stderr)}   {remedy}")


def width() -> int:
    """Columns that a line may have: those of the terminal, and never less than 80."""
    if not sys.stdout.isatty():
        return _WIDTH
    # It loads all of Python's compressors.
    import shutil

    return max(_WIDTH, shutil.get_terminal_size((_WIDTH, 0)).columns)


def wrapped(text: str, taken: int) -> list[str]:
    """A text as lines that fit the screen, where there is one; files and pipes get one line.

    Args:
        text: The text.
        taken: Columns that stand before it.
    """
    if not sys.stdout.isatty():
        return [text]
    return _lines(text, max(_NARROWEST, width() - taken))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, limit: int = 0) -> None:
    """Print aligned columns; on a terminal no line is wider than that.

    Args:
        header: What the columns hold.
        rows: The rows.
        limit: Columns of the screen, where there is none; 0 for as many as it takes.
    """
    everything = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in everything) for column in range(len(header))]
    limit = limit or (width() if sys.stdout.isatty() else 0)
    fitted = _fitted(widths, limit) if limit else widths
    for number, row in enumerate(everything):
        pairs = zip(row, fitted, strict=True)
        cells = [_lines(cell, most) if limit else [cell] for cell, most in pairs]
        for below, parts in enumerate(zip_longest(*cells, fillvalue="")):
            padded = zip(parts, fitted, strict=True)
            line = "  ".join(f"{part:<{most}}" for part, most in padded).rstrip()
            say(paint(line, "dim") if number == 0 else line if below else _marked(line))


def _fitted(widths: Sequence[int], limit: int) -> list[int]:
    """Widths that fit: the last column gives way first, then the widest of the others."""
    fitted, room = list(widths), limit - 2 * (len(widths) - 1)
    last = len(fitted) - 1
    while sum(fitted) > room:
        able = [column for column in range(last) if fitted[column] > _SHORTEST]
        if fitted[last] > _NARROWEST:
            fitted[last] -= 1
        elif able:
            fitted[max(able, key=fitted.__getitem__)] -= 1
        else:
            break
    return fitted


def _lines(text: str, most: int) -> list[str]:
    return textwrap.wrap(text, max(1, most), break_on_hyphens=False) or [""]


_MARKS = {"ok": "green", "good": "green", "healthy": "green", "error": "red", "failure": "red",
          "bad": "red", "warning": "yellow"}  # fmt: skip


def _marked(line: str) -> str:
    word = line.split(" ", 1)[0]
    return paint(word, _MARKS[word]) + line[len(word) :] if word in _MARKS else line


class _Exit(logging.Handler):
    """Hands what the library logs to the exit."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        tell(paint(f"debug  {record.getMessage()}", "dim", sys.stderr))


def log_to_stderr() -> None:
    """Tell what the library logs, such as each command that it runs."""
    log = logging.getLogger("towline")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    if not any(isinstance(item, _Exit) for item in log.handlers):
        log.addHandler(_Exit())


class Steps:
    """Shows each step of an operation on a line of its own, on stderr.

    Args:
        at_once: Several steps run at a time, so a line appears when its step is done.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        self._at_once = at_once

    @contextmanager
    def step(self, title: str) -> Iterator[Any]:
        """Show a step while the body runs; the line is completed when it ends."""
        from towline.config.units import format_duration
        from towline.progress import StepNote

        if self._live:
            output.write(f"  …          {title}", sys.stderr)
        note, started = StepNote(), time.monotonic()
        mark, style = "✗", "red"
        try:
            yield note
            mark, style = "✓", "green"
        finally:
            took = format_duration(time.monotonic() - started)
            extra = paint(f"  ({note.text})", "dim", sys.stderr) if note.text else ""
            tell(f"{self._clear()}  {paint(mark, style, sys.stderr)} {took:>8}  {title}{extra}")
            width = max((len(name) for name, _ in note.hosts), default=0)
            for name, text in note.hosts:
                tell(f"{'':12} {paint(f'{name:<{width}}', 'dim', sys.stderr)}  {text}")

    def say(self, text: str) -> None:
        """Show a line in the middle of a step."""
        tell(f"{self._clear()}  {paint('!', 'yellow', sys.stderr)} {'':8}  {text}")

    @property
    def _live(self) -> bool:
        return output.can_erase(sys.stderr) and not self._at_once

    def _clear(self) -> str:
        """What clears the line of a step that runs."""
        return output.erase(sys.stderr) if self._live else ""
