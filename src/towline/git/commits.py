"""Commit messages by Conventional Commits 1.0.0 (https://www.conventionalcommits.org/en/v1.0.0/).

Where the specification and its reference parser differ, the more lenient one is followed, as long
as ordinary prose stays prose: `feat:no space` is a feature, `http://…` is not a type.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_HEADER = re.compile(
    r"(?P<type>[^\W\d_][\w-]*)(?:\((?P<scope>[^()\n]+)\))?(?P<mark>!)?:(?![:/])[ \t]*(?P<text>\S.*)"
)
# A token is one word; only the breaking one may hold a space, and only it must be upper-case.
_FOOTER = re.compile(
    r"^(?P<token>BREAKING CHANGE|[A-Za-z][A-Za-z0-9-]*)(?::(?![:/])[ \t]*| (?=#))", re.MULTILINE
)
_BREAKING = ("BREAKING CHANGE", "BREAKING-CHANGE")
# A first line that says nothing but that; the specification has it as a footer alone.
_BREAKING_HEADER = re.compile(r"BREAKING[ -]CHANGE:(?![:/])[ \t]*(?P<text>\S.*)")
BREAKING_TYPE = "breaking change"
# What people write in a breaking note at the start of a line; after one they are no footers.
_PROSE = re.compile(
    "After|Before|Examples?|How|Impact|Migrat(?:e|ion)|New|Notes?|Now|Old|Reason|Steps|Upgrad(?:e|ing)"
    "|Usage|Warning|Was|Why|Workaround"
)


class Footer(NamedTuple):
    """One footer: `Token: value`, or `Token #value`, in which case the value keeps its `#`."""

    token: str
    value: str

    def __str__(self) -> str:
        return f"{self.token}{' ' if self.value.startswith('#') else ': '}{self.value}"


class Message(NamedTuple):
    """A conventional commit message.

    Attributes:
        type: Such as `feat`; lower-case, because types have no case.
        scope: The part of the code, as written; empty without one.
        description: The rest of the first line.
        body: What stands between the first line and the footers.
        footers: In the order they are written.
        marked: Whether a `!` stands before the colon.
    """

    type: str
    scope: str
    description: str
    body: str = ""
    footers: tuple[Footer, ...] = ()
    marked: bool = False

    @property
    def breaking(self) -> bool:
        """Whether it breaks what users rely on."""
        return bool(self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What breaks: the breaking footers; with a mark alone, the description."""
        if not self.footers and not self.marked:
            return ()
        written = tuple(item.value for item in self.footers if item.token in _BREAKING)
        return written or ((self.description,) if self.marked else ())

    @property
    def header(self) -> str:
        """The first line."""
        if self.type == BREAKING_TYPE:
            return f"{_BREAKING[0]}: {self.description}"
        scope = f"({self.scope})" if self.scope else ""
        return f"{self.type}{scope}{'!' if self.marked else ''}: {self.description}"

    def __str__(self) -> str:
        parts = [self.header, self.body, "\n".join(str(item) for item in self.footers)]
        return "\n\n".join(part for part in parts if part)


def parse(text: str) -> Message | None:
    """Read a commit message; None when its first line is not conventional.

    Footers begin at the first line that looks like one, and a footer's value goes on to the next
    (rule 10). A breaking footer must start its line: indented or quoted, it is only mentioned.
    A word with nothing behind its colon, such as `Migration:` above a list, is none.

    `BREAKING CHANGE: text` as the first line breaks, though the specification knows no such type.
    """
    first, _, rest = text.replace("\r\n", "\n").strip("\n").partition("\n")
    first = first.strip()
    breaking = _BREAKING_HEADER.fullmatch(first) if first.startswith("BREAKING") else None
    if breaking:
        body, footers = _split(rest)
        text = breaking["text"].strip()
        return Message(BREAKING_TYPE, "", text, body, footers, marked=True)
    header = _HEADER.fullmatch(first)
    if header is None:
        return None
    body, footers = _split(rest)
    kind, scope, mark, description = header.groups("")
    return Message(
        kind.lower(), scope.strip(), description.strip(), body, footers, marked=bool(mark)
    )


def _split(text: str) -> tuple[str, tuple[Footer, ...]]:
    """Body and footers."""
    # Each footer has one of these, and most commits have none.
    marks = _marks(text) if ":" in text or " #" in text else []
    if not marks:
        return text.strip("\n"), ()
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    footers = (
        Footer(mark["token"], text[mark.end() : end].strip())
        for mark, end in zip(marks, ends, strict=True)
    )
    return text[: marks[0].start()].strip("\n"), tuple(footers)


def _marks(text: str) -> list[re.Match[str]]:
    """Where footers start."""
    found: list[re.Match[str]] = []
    for mark in _FOOTER.finditer(text):
        if mark["token"] not in _BREAKING:
            if not text[mark.end() :].partition("\n")[0].strip():
                continue
            if found and found[-1]["token"] in _BREAKING and _PROSE.fullmatch(mark["token"]):
                continue
        found.append(mark)
    return found
