"""The lines of a journal: what one is, its hash, and what is wrong with some.

Whatever a file holds is read: bytes that are no text, JSON that is no entry, half a line. What
cannot be read is named by its number and left out.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

START = "0" * 64

Entry = dict[str, Any]

_KINDS: Mapping[str, type] = {
    "seq": int,
    "at": str,
    "op": str,
    "event": str,
    "step": str,
    "data": dict,
    "prev": str,
    "hash": str,
}


def digest(entry: Mapping[str, Any]) -> str:
    """The hash of an entry: of everything in it but the hash itself."""
    content = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(_text(content).encode()).hexdigest()


def line_of(entry: Mapping[str, Any]) -> bytes:
    """An entry as it stands in the file."""
    return (json.dumps(entry, separators=(",", ":"), ensure_ascii=True) + "\n").encode()


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


@dataclass(frozen=True)
class Part:
    """One file of a journal.

    Attributes:
        path: The file.
        content: What it holds.
    """

    path: Path
    content: bytes

    @property
    def whole(self) -> int:
        """Bytes up to the end of the last whole line."""
        return self.content.rfind(b"\n") + 1

    @property
    def half(self) -> bool:
        """Whether the last line has no end: a crash while it was written."""
        return self.whole < len(self.content)

    def lines(self) -> Iterator[tuple[int, Entry | None]]:
        """Each whole line: its number, and its entry; None where it is none."""
        at, number, end = 0, 0, self.whole
        while at < end:
            after = self.content.index(b"\n", at) + 1
            number += 1
            yield number, _entry(self.content[at : after - 1])
            at = after

    def entries(self) -> list[Entry]:
        """The entries that can be read."""
        return [entry for _, entry in self.lines() if entry is not None]

    def unreadable(self) -> str:
        """The first line that is no entry, in words; empty when there is none."""
        broken = (number for number, entry in self.lines() if entry is None)
        number = next(broken, 0)
        return f"{self.path}:{number} is not a journal entry" if number else ""


@dataclass
class Chain:
    """Follows the hashes through the files of a journal, the oldest first.

    Attributes:
        previous: Hash of the line before; None when that one cannot be read.
        count: Lines so far.
    """

    previous: str | None = START
    count: int = 0

    def wrong(self, part: Part) -> Iterator[str]:
        """What is wrong with the next file, a line each."""
        for number, entry in part.lines():
            where = f"{part.path}:{number}"
            self.count += 1
            if entry is None:
                yield f"{where} is not a journal entry"
                self.previous = None
                continue
            if self.previous not in (None, entry["prev"]):
                yield f"{where}: a line before it is missing or was changed"
            if entry["hash"] != digest(entry):
                yield f"{where}: its content was changed"
            self.previous = entry["hash"]


def _entry(line: bytes) -> Entry | None:
    # A number of thousands of digits and a thousand brackets are errors of their own.
    with suppress(ValueError, RecursionError):
        value = json.loads(line.decode("utf-8", "replace"))
        if _is_entry(value):
            entry: Entry = value
            return entry
    return None


def _is_entry(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    if not all(isinstance(value.get(name), kind) for name, kind in _KINDS.items()):
        return False
    return datetime.fromisoformat(value["at"]).tzinfo is not None
