"""Text from commits as one line of Markdown that cannot break the list it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)))
_TICKS = re.compile(r"`+")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
# What would start a heading, a quotation, a list, a fence or a reference in a list item.
_START = re.compile(
    r"#{1,6}(?= |$)|>|[-+*](?= |$)|\d{1,9}(?=[.)](?: |$))|`{3,}(?=[^`]*$)|~{3,}|\[(?=[^\[\]]*\]:)"
)
_LIST_ITEM = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])[ \t]+")
_WORD = re.compile(r"[^\W\d_]+(?=[\s,;:!?]|$)")
_IN_SCOPE = re.compile(r"([\\`*\[\]])")


def sentence(text: str, *, starts: bool) -> str:
    """A description: in one line, with a capital at its start, and without HTML.

    A first word that is no plain lower-case word (`iOS`, `setup.py`) stays as it is.

    Args:
        text: As written in the commit; code between backticks stays.
        starts: Whether it is the first text of its list item.
    """
    line = _escape_tags(_one_line(text))
    word = _WORD.match(line)
    if word and word[0].islower():
        line = line[0].upper() + line[1:]
    start = _START.match(line) if starts else None
    if start is None:
        return line
    # A digit cannot be escaped; the sign after it can.
    at = start.end() if start[0].isdigit() else 0
    return f"{line[:at]}\\{line[at:]}"


def split_list(text: str) -> tuple[str, list[str]]:
    """A text that holds a list: what stands before it, and its items; what follows is one more.

    Args:
        text: Lines as written in the commit; one line alone is no list.
    """
    if "\n" not in text:
        return text, []
    before: list[str] = []
    items: list[list[str]] = []
    is_ended = False
    for line in text.split("\n"):
        item = _LIST_ITEM.match(line)
        if item:
            items.append([line[item.end() :]])
        elif not items:
            before.append(line)
        elif line.strip():
            if is_ended and not line[:1].isspace():
                items.append([])
            items[-1].append(line)
        is_ended = not line.strip()
    found = ("\n".join(item) for item in items)
    return "\n".join(before), [item for item in found if item.strip()]


# A project has few scopes, and names them again and again.
@lru_cache
def label(text: str) -> str:
    """A scope, to be set in bold."""
    return _IN_SCOPE.sub(r"\\\1", _one_line(text)).replace("<", "&lt;")


def heading(text: str) -> str:
    """The text of a heading."""
    return _one_line(text)


def _one_line(text: str) -> str:
    if "  " in text or not text.isprintable():
        text = " ".join(text.split())
    text = text.strip()
    return text if text.isprintable() else text.translate(_CONTROL)


def _escape_tags(line: str) -> str:
    if "<" not in line:
        return line
    # A backtick behind a backslash may be none; then nothing counts as code.
    if "`" not in line or "\\`" in line:
        return _TAG.sub("&lt;", line)
    return "".join(text if is_code else _TAG.sub("&lt;", text) for text, is_code in _spans(line))


def _spans(line: str) -> Iterator[tuple[str, bool]]:
    """A line in pieces, and whether each is a code span: between runs of as many backticks."""
    runs = list(_TICKS.finditer(line))
    waiting: dict[int, list[int]] = {}
    for place in reversed(range(len(runs))):
        waiting.setdefault(len(runs[place][0]), []).append(place)
    done = place = 0
    while place < len(runs):
        same = waiting[len(runs[place][0])]
        while same and same[-1] <= place:
            same.pop()
        if not same:
            place += 1
            continue
        closing = same[-1]
        yield line[done : runs[place].start()], False
        yield line[runs[place].start() : runs[closing].end()], True
        done, place = runs[closing].end(), closing + 1
    yield line[done:], False
