"""The exit: whatever Towline prints leaves by `write`, and by nothing else.

Secrets are masked here, so that no message has to think of them. Control characters of foreign
texts (logs, commit messages, pages) are shown and not obeyed: a log line must not be able to move
the cursor over what was said, or to hide it. Only the escapes that `paint` and `erase` make pass.

A reader that goes away, such as `head`, or a log file on a full disk only ends the output: whether
a release stays is not decided by who reads about it.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TextIO

# In every escape of our own stands what no foreign text can know.
_PEN = os.urandom(8).hex()
# Control characters but tab and newline; also those that turn the direction of a line around.
_ESCAPES = re.compile(
    rf"\x1b{_PEN}(?P<own>\[[0-9]*[mK])|(?P<foreign>[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069])"
)
_PLAIN = bytes((*b"\t\n", *range(0x20, 0x7F)))
_CODES = {"green": "32", "red": "31", "yellow": "33", "dim": "2", "bold": "1", "blue": "34"}


def has_colour(stream: TextIO) -> bool:
    """Whether colours are wanted: on a terminal, unless NO_COLOR or TERM=dumb; FORCE_COLOR wins."""
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR")
    if forced:
        return forced not in ("0", "false")
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, stream: TextIO) -> str:
    """A text in colour where the stream has any; only `write` turns it into real escapes."""
    if not has_colour(stream):
        return text
    return f"\x1b{_PEN}[{_CODES[style]}m{text}\x1b{_PEN}[0m"


def erase(stream: TextIO) -> str:
    """What clears the line that the cursor is on; nothing where that cannot be done."""
    return f"\x1b{_PEN}[K" if can_erase(stream) else ""


def can_erase(stream: TextIO) -> bool:
    """Whether a line may be written over."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def clean(text: str) -> str:
    """The text as it may be shown: secrets masked, foreign control characters made visible."""
    from towline.config.redaction import KNOWN

    text = KNOWN.redact(text.replace("\r\n", "\n"))
    # Most texts have nothing to show, and a long one is searched a hundred times slower.
    if text.isascii() and not text.encode().translate(None, _PLAIN):
        return text
    return _ESCAPES.sub(_shown, text)


def write(text: str, stream: TextIO) -> None:
    """Print a text; a reader that went away is no error."""
    shown = clean(text)
    try:
        try:
            stream.write(shown)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(shown.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except OSError:
        _drop(stream)
    except ValueError:
        # It was closed.
        if not stream.closed:
            raise


def _drop(stream: TextIO) -> None:
    """Let all that follows go nowhere; Python would complain once more when it exits."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _shown(match: re.Match[str]) -> str:
    if match["own"] is not None:
        # A running line is cleared from its beginning.
        return f"\r\x1b{match['own']}" if match["own"] == "[K" else f"\x1b{match['own']}"
    return match["foreign"].encode("unicode_escape").decode()
