"""How things look: aligned tables, one line a step, colour only on a terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

_CODES = {"green": "32", "red": "31", "yellow": "33", "dim": "2", "bold": "1", "blue": "34"}


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Colour a text where the stream is a terminal and NO_COLOR is not set."""
    stream = stream or sys.stdout
    if not stream.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\033[{_CODES[style]}m{text}\033[0m"


def say(text: str = "") -> None:
    """Print a line of the result."""
    print(text)  # noqa: T201


def tell(text: str = "") -> None:
    """Print a message that is not the result."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def say_json(data: Any) -> None:
    """Print the result for machines."""
    say(json.dumps(data, indent=2, default=str))


def complain(message: str, details: Sequence[str], remedy: str) -> None:
    """Print an error: what, where, and what to do about it."""
    tell(f"{paint('error', 'red', sys.stderr)}  {message}")
    for line in details:
        tell(f"       {line}")
    if remedy:
        tell(f"{paint('next', 'bold', sys.stderr)}   {remedy}")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns."""
    everything = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in everything) for column in range(len(header))]
    for number, row in enumerate(everything):
        last = len(row) - 1
        cells = [cell if i == last else f"{cell:<{widths[i]}}" for i, cell in enumerate(row)]
        line = "  ".join(cells).rstrip()
        say(paint(line, "dim") if number == 0 else _marked(line))


_MARKS = {"ok": "green", "good": "green", "healthy": "green", "error": "red", "failure": "red",
          "bad": "red", "warning": "yellow"}  # fmt: skip


def _marked(line: str) -> str:
    word = line.split(" ", 1)[0]
    return paint(word, _MARKS[word]) + line[len(word) :] if word in _MARKS else line


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
        from towline.rollout.progress import StepNote

        if self._live:
            sys.stderr.write(f"  …          {title}")
            sys.stderr.flush()
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
        return sys.stderr.isatty() and not self._at_once

    def _clear(self) -> str:
        """What clears the line of a step that runs."""
        return "\r\033[K" if self._live else ""
