"""The journal: an append-only record of intentions and outcomes, one JSON object a line.

Each line carries the SHA-256 of its own content and of the line before, so a changed or
missing line shows. Lines are on the disk before the step they announce begins. Schema
version 1:

    {"v": 1, "seq": 7, "at": "2026-01-31T12:00:00.000Z", "op": "k3v9", "event": "intent",
     "step": "switch", "data": {...}, "prev": "…", "hash": "…"}

Events: `begin` and `end` of an operation, `intent` and `outcome` of a step, and `note`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from towline.errors import TowlineError
from towline.hosts.base import Files

SCHEMA = 1
_START = "0" * 64

Entry = dict[str, Any]


def _digest(entry: Mapping[str, Any]) -> str:
    content = {name: value for name, value in entry.items() if name != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Journal:
    """The journal of one environment.

    Attributes:
        redact: Takes secrets out of what is written.
    """

    files: Files
    path: Path
    redact: Callable[[Any], Any] = lambda data: data
    _last: Entry | None = None
    _left: bool = False

    def leave(self) -> None:
        """Write nothing any more: the journal is somebody else's now."""
        self._left = True

    def entries(self) -> list[Entry]:
        """All entries; a half-written last line (a crash) is left out.

        Raises:
            TowlineError: When a line in the middle cannot be read.
        """
        return self._parse()[0]

    def is_damaged(self) -> bool:
        """Whether a line is missing, was changed or cannot be read.

        A half-written last line is none of it: the next entry repairs that.
        """
        try:
            half = self._parse()[1]
        except TowlineError:
            return True
        return len(self.verify()) > int(half)

    def verify(self) -> list[str]:
        """What is wrong with the chain, a line each; empty when it is whole."""
        entries, half = self._parse()
        wrong = self._broken(entries)
        if half:
            wrong.append(f"{self.path}:{len(entries) + 1}: half-written (a crash); left out")
        return wrong

    def _broken(self, entries: list[Entry]) -> list[str]:
        wrong = []
        previous = _START
        for number, entry in enumerate(entries, 1):
            if entry.get("prev") != previous:
                wrong.append(f"{self.path}:{number}: a line before it is missing or was changed")
            if entry.get("hash") != _digest(entry):
                wrong.append(f"{self.path}:{number}: its content was changed")
            previous = str(entry.get("hash"))
        return wrong

    def set_aside(self) -> Path:
        """Put a damaged journal aside, so that a new one begins; returns where it is now."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        place = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
        self.files.move(self.path, place)
        self._last = None
        return place

    def write(
        self, operation: str, event: str, step: str = "", data: Mapping[str, Any] | None = None
    ) -> Entry:
        """Append one entry and wait until it is on the disk.

        Raises:
            TowlineError: When a line before it was changed or is missing.
        """
        if self._left:
            return {}
        last = self._last or self._repair()
        entry: Entry = {
            "v": SCHEMA,
            "seq": last["seq"] + 1 if last else 1,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "op": operation,
            "event": event,
            "step": step,
            "data": self.redact(dict(data or {})),
            "prev": last["hash"] if last else _START,
        }
        entry["hash"] = _digest(entry)
        line = json.dumps(entry, separators=(",", ":"), ensure_ascii=True) + "\n"
        self.files.append(self.path, line.encode())
        self._last = entry
        return entry

    @contextmanager
    def step(
        self, operation: str, name: str, data: Mapping[str, Any] | None = None
    ) -> Iterator[Entry]:
        """Write the intention, run the body, write the outcome; yields the outcome's data."""
        self.write(operation, "intent", name, data)
        outcome: Entry = {}
        try:
            yield outcome
        except BaseException as error:
            failed = {"ok": False, "error": str(error) or type(error).__name__, **outcome}
            self.write(operation, "outcome", name, failed)
            raise
        self.write(operation, "outcome", name, {"ok": True, **outcome})

    def _repair(self) -> Entry | None:
        """Cut a half-written last line off before something is appended to it."""
        entries, half = self._parse()
        wrong = self._broken(entries)
        if wrong:
            raise TowlineError(
                wrong[0],
                details=wrong[1:],
                remedy="compare it with a backup; in an emergency `inv rollback --force` puts it "
                "aside and begins a new one",
            )
        if half:
            whole = "".join(
                json.dumps(e, separators=(",", ":"), ensure_ascii=True) + "\n" for e in entries
            )
            self.files.write(self.path, whole.encode(), 0o600)
        return entries[-1] if entries else None

    def _parse(self) -> tuple[list[Entry], bool]:
        try:
            text = self.files.read(self.path).decode("utf-8", "replace")
        except FileNotFoundError:
            return [], False
        lines = text.split("\n")
        half = bool(lines.pop())
        entries = []
        for number, line in enumerate(lines, 1):
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                raise TowlineError(
                    f"{self.path}:{number} is not a journal entry",
                    remedy="restore the file from a backup, or move it aside to begin a new one",
                ) from None
        return entries, half


@dataclass(frozen=True)
class Unfinished:
    """An operation that began and did not end; `before` is the release that served before it."""

    operation: str
    kind: str
    release: str
    step: str
    at: str
    before: str = ""


def unfinished(entries: list[Entry]) -> Unfinished | None:
    """The last operation, if it has no end; its last intention says how far it came."""
    begin = next((e for e in reversed(entries) if e["event"] == "begin"), None)
    if begin is None:
        return None
    own = [e for e in entries if e["op"] == begin["op"]]
    if any(e["event"] == "end" for e in own):
        return None
    step = next((e["step"] for e in reversed(own) if e["event"] == "intent"), "")
    data = begin["data"]
    return Unfinished(
        operation=begin["op"],
        kind=data.get("kind", ""),
        release=data.get("release", ""),
        step=step,
        at=own[-1]["at"],
        before=data.get("before", data.get("live", "")),
    )
