"""The commits that a squash commit lists in its body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# GitHub: a title that ends with the number of the pull request, then `* subject` of each commit.
_PULL_REQUEST = re.compile(r"\(#\d+\)$")
_BULLET = re.compile(r"[*-] (?=\S)")
# `git merge --squash`: this line, then each commit as `git log` shows it, indented by four.
_GIT = "Squashed commit of the following:"
_INDENT = "    "


class Listed(NamedTuple):
    """A commit in the list.

    Attributes:
        sha: Its hash, where the list tells it; else empty.
        message: Its message.
    """

    sha: str
    message: str


def listed(text: str) -> list[Listed]:
    """The commits that a squash commit lists, newest first; none when it is no squash commit."""
    lines = text.replace("\r\n", "\n").split("\n")
    if any(line.strip() == _GIT for line in lines):
        return list(_indented(lines))
    if _PULL_REQUEST.search(lines[0].strip()):
        return list(_bullets(lines[1:]))[::-1]
    return []


def _indented(lines: list[str]) -> Iterator[Listed]:
    sha = ""
    block: list[str] = []
    for line in [*lines, "commit "]:
        if line.startswith("commit "):
            if block:
                yield Listed(sha, "\n".join(block))
            sha, block = line.removeprefix("commit ").strip(), []
        elif line.startswith(_INDENT):
            block.append(line.removeprefix(_INDENT))
        elif block and not line:
            block.append("")


def _bullets(lines: list[str]) -> Iterator[Listed]:
    block: list[str] = []
    for line in [*lines, "* "]:
        if _BULLET.match(line) or line == "* ":
            if block:
                yield Listed("", "\n".join(block))
            block = [line[2:]]
        elif block:
            block.append(line.removeprefix("  "))
