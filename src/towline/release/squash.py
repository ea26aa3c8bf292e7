"""The commits that a squash commit lists in its body."""

from __future__ import annotations

import re
from collections.abc import Iterator

from towline.release.commits import Message, parse

# GitHub: a title that ends with the number of the pull request, then `* subject` of each commit.
_PULL_REQUEST = re.compile(r"\(#\d+\)$")
_BULLET = re.compile(r"[*-] (?=\S)")
# `git merge --squash`: this line, then each commit as `git log` shows it, indented by four.
_GIT = "Squashed commit of the following:"
_INDENT = "    "


def listed(text: str) -> list[Message]:
    """The conventional messages that a squash commit lists; none when it is no squash commit."""
    lines = text.replace("\r\n", "\n").split("\n")
    if any(line.strip() == _GIT for line in lines):
        blocks = _indented(lines)
    elif _PULL_REQUEST.search(lines[0].strip()):
        blocks = _bullets(lines[1:])
    else:
        return []
    return [message for message in map(parse, blocks) if message is not None]


def _indented(lines: list[str]) -> Iterator[str]:
    block: list[str] = []
    for line in [*lines, "commit "]:
        if line.startswith("commit "):
            yield "\n".join(block)
            block = []
        elif line.startswith(_INDENT):
            block.append(line.removeprefix(_INDENT))
        elif block and not line:
            block.append("")


def _bullets(lines: list[str]) -> Iterator[str]:
    block: list[str] = []
    for line in [*lines, "* "]:
        if _BULLET.match(line) or line == "* ":
            yield "\n".join(block)
            block = [line[2:]]
        elif block:
            block.append(line.removeprefix("  "))
