"""The outline of a Markdown text: its headings and its link references.

Only as much of CommonMark 0.31 (https://spec.commonmark.org/0.31.2/) as tells what is a heading
and what only looks like one: code fences, HTML comments and indented code hide what they hold.
Every line is looked at once.

Not by markdown-it-py: for a changelog of 12,000 sections (2.3 MB) it takes 1.7 s for the blocks
alone, 25 times as long as this (0.07 s), where the whole changelog is to be written in 0.6 s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

# Not str.splitlines: to Markdown a form feed or U+2028 ends no line.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_BLANK = " \t\r\n"
_ITEMS = ("- ", "* ")
_ATX = re.compile(r"#{1,6}(?=[ \t]|$)")
_UNDERLINE = re.compile(r"=+|-+")
# A fence may open right behind the marker of a list item.
_FENCE = re.compile(r"((?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*)(`{3,}(?=[^`]*$)|~{3,})")
_RAW = re.compile(r"<(?:pre|script|style|textarea)(?=[\s>]|$)", re.IGNORECASE)
_RAW_END = re.compile(r"</(?:pre|script|style|textarea)>", re.IGNORECASE)
_REFERENCE = re.compile(r"\[(?P<label>(?!\^)[^\[\]]+)\]:[ \t]*(?P<address>[^\s<]\S*)")
# What begins a list, a quotation, a table or indented code is no paragraph.
_NO_PARAGRAPH = re.compile(r"[-+*](?:\s|$)|\d{1,9}[.)](?:\s|$)|[>|]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, of either form of Markdown.

    Attributes:
        level: 1 to 6.
        text: Without the signs that make it a heading.
        start: Number of its first line, from 0.
        end: Number of the line after it.
    """

    level: int
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A link reference definition, `[label]: address`.

    Attributes:
        label: As written.
        address: Where it leads.
        line: Number of its line, from 0.
        column: Where the address starts in that line.
    """

    label: str
    address: str
    line: int
    column: int


@dataclass(frozen=True)
class Outline:
    """The outline of a text.

    Attributes:
        headings: In their order.
        references: In their order.
        hidden: Code fences and comments on lines of their own: first line -> line after.
        comments: First lines of those that are comments, and end.
        is_open: Whether the text ends inside a code fence or a comment, so that nothing can be
            written after it.
    """

    headings: Sequence[Heading]
    references: Sequence[Reference]
    hidden: Mapping[int, int]
    comments: Set[int]
    is_open: bool


def split_lines(text: str) -> list[str]:
    """The lines of a text with their ends, as Markdown counts them."""
    return _LINE.findall(text)


def outline(lines: Sequence[str], start: int = 0) -> Outline:
    """Read the outline of lines, from line number `start` on."""
    return _Scan(lines).run(start)


def is_blank(line: str) -> bool:
    """Whether a line holds nothing but spaces."""
    return not line.strip(_BLANK)


def is_paragraph(line: str) -> bool:
    """Whether a line, where a block starts, is plain text."""
    text = line.lstrip(" ")
    return not is_blank(line) and not _is_indented(line, text) and not _NO_PARAGRAPH.match(text)


def _is_indented(line: str, text: str) -> bool:
    return len(line) - len(text) > 3 or text.startswith("\t")


class _Scan:
    """One walk over the lines; each is hidden, or a heading, a reference, or plain."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._headings: list[Heading] = []
        self._references: list[Reference] = []
        self._hidden: dict[int, int] = {}
        self._comments: set[int] = set()
        # Whether a line ends the hidden region; None outside of one.
        self._ends: Callable[[str], bool] | None = None
        self._opened = 0
        # Indentation that the lines of a fence in a list item have at least.
        self._inside = 0
        # Number of the line before when it is a paragraph of one line, which may be underlined.
        self._lone = -1
        self._after_text = False

    def run(self, start: int) -> Outline:
        for number in range(start, len(self._lines)):
            line = self._lines[number]
            if self._ends is None:
                # Most lines of a changelog are list items, which need no closer look.
                if line[:2] in _ITEMS and "```" not in line and "~~~" not in line:
                    self._lone, self._after_text = -1, True
                else:
                    self._visible(number, line)
            elif self._falls_out(line):
                self._close(number)
                self._visible(number, line)
            elif self._ends(line):
                self._close(number + 1)
        is_open = self._ends is not None
        if is_open:
            self._close(len(self._lines))
            self._comments.discard(self._opened)
        return Outline(self._headings, self._references, self._hidden, self._comments, is_open)

    def _open(self, number: int, ends: Callable[[str], bool], *, inside: int = 0) -> None:
        self._ends, self._opened, self._inside = ends, number, inside

    def _close(self, number: int) -> None:
        self._ends = None
        self._hidden[self._opened] = number

    def _falls_out(self, line: str) -> bool:
        """Whether a fence in a list item ends because the item does."""
        if not self._inside or is_blank(line) or line[0] == "\t":
            return False
        return len(line) - len(line.lstrip(" \t")) < self._inside

    def _visible(self, number: int, line: str) -> None:
        lone, self._lone = self._lone, -1
        after_text, self._after_text = self._after_text, False
        text = line.strip(_BLANK)
        if not text:
            return
        head = line.lstrip(" ")
        if _is_indented(line, head):
            self._after_text = after_text
        elif not self._is_structure(number, line, text, after_text):
            if lone >= 0 and _UNDERLINE.fullmatch(text):
                title = self._lines[lone].strip(_BLANK)
                level = 1 if text[0] == "=" else 2
                self._headings.append(Heading(level, title, lone, number + 1))
                return
            self._after_text = True
            if not after_text and not _NO_PARAGRAPH.match(text):
                self._lone = number

    def _is_structure(self, number: int, line: str, text: str, after_text: bool) -> bool:
        sign = text[0]
        if sign == "#":
            return self._heading(number, text)
        if sign == "<":
            return self._html(number, text)
        if sign == "[" and not after_text:
            return self._reference(number, line)
        return ("```" in text or "~~~" in text) and self._fence(number, line)

    def _heading(self, number: int, text: str) -> bool:
        signs = _ATX.match(text)
        if signs is None:
            return False
        title = text[signs.end() :].strip(_BLANK)
        # Closing signs count only behind a space.
        bare = title.rstrip("#")
        if not bare or bare[-1] in _BLANK:
            title = bare.rstrip(_BLANK)
        self._headings.append(Heading(signs.end(), title, number, number + 1))
        return True

    def _fence(self, number: int, line: str) -> bool:
        head = line.strip(_BLANK)
        found = _FENCE.match(head)
        if found is None:
            return False
        sign, length = found[2][0], len(found[2])

        def closes(later: str) -> bool:
            text = later.strip(_BLANK)
            return len(text) >= length and text == sign * len(text)

        indentation = len(line) - len(line.lstrip(" "))
        self._open(number, closes, inside=indentation + len(found[1]) if found[1] else 0)
        return True

    def _html(self, number: int, text: str) -> bool:
        if text.startswith("<!--"):
            self._comments.add(number)
            self._open(number, _ends_comment)
            if text.find("-->", 2) >= 0:
                self._close(number + 1)
            return True
        if _RAW.match(text):
            self._open(number, _ends_raw)
            if _ends_raw(text):
                self._close(number + 1)
            return True
        return False

    def _reference(self, number: int, line: str) -> bool:
        head = line.lstrip(" ")
        found = _REFERENCE.match(head)
        if found is None:
            return False
        column = len(line) - len(head) + found.start("address")
        self._references.append(Reference(found["label"], found["address"], number, column))
        return True


def _ends_comment(line: str) -> bool:
    return "-->" in line


def _ends_raw(line: str) -> bool:
    return _RAW_END.search(line) is not None
