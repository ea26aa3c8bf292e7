"""Where a hand-written nginx.conf keeps requests to apps out of the router's request log.

nginx takes the `access_log` lines of `http { }` only where neither the server nor the location has
one of its own, and `access_log off;` switches off all of its level (ngx_http_log_module).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|[^\s{};]+|\n""")
# What a server with a log of its own includes; see `request_log.INCLUDE_FILE`.
_OURS = re.compile(r"/(?:\*|request-log)\.inc$")


@dataclass
class _Block:
    """A block: its name, the line of its own `access_log`, and what is in it."""

    name: str = ""
    log: int = 0
    is_off: bool = False
    has_ours: bool = False
    sends: bool = False
    inner: list[_Block] = field(default_factory=list)


def find_unlogged(text: str) -> list[int]:
    """Lines whose `access_log` hides requests to an app; one that a location switches off is meant.

    Args:
        text: An nginx.conf.
    """
    return sorted(set(_hidden(_parsed(text), 0)))


def _hidden(block: _Block, by: int) -> Iterator[int]:
    """The lines that hide something in a block.

    Args:
        block: The block.
        by: The line that hides what is around it; 0 when nothing does.
    """
    if block.has_ours or (block.log and block.name == "location" and block.is_off):
        by = 0
    elif block.log and (block.name != "http" or block.is_off):
        by = block.log
    if block.sends and by:
        yield by
    for inner in block.inner:
        yield from _hidden(inner, by)


def _parsed(text: str) -> _Block:
    stack, words, line, first = [_Block()], [""], 1, 1
    words.clear()
    for token in _TOKEN.findall(text):
        if token == "\n":  # noqa: S105 - no password
            line += 1
        elif token == "{":  # noqa: S105
            block = _Block(words[0] if words else "")
            stack[-1].inner.append(block)
            stack.append(block)
            words.clear()
        elif token == "}":  # noqa: S105
            if len(stack) > 1:
                stack.pop()
            words.clear()
        elif token == ";":  # noqa: S105
            _note(stack[-1], words, first)
            words.clear()
        elif not token.startswith("#"):
            first = first if words else line
            words.append(token.strip("\"'"))
            line += token.count("\n")
    return stack[0]


def _note(block: _Block, words: list[str], line: int) -> None:
    """Take a directive into its block."""
    if words[:1] == ["access_log"]:
        block.log, block.is_off = line, words[1:2] == ["off"]
    elif words[:1] == ["include"] and len(words) > 1:
        block.has_ours = block.has_ours or bool(_OURS.search(words[1]))
    elif words[:1] == ["proxy_pass"] and "$towline_" in "".join(words[1:]):
        block.sends = True
