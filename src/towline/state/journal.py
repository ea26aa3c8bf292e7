"""The journal: an append-only record of intentions and outcomes, one JSON object a line.

Each line carries the SHA-256 of its own content and of the line before, so a changed or
missing line shows. Lines are on the disk before the step they announce begins. Schema
version 1:

    {"v": 1, "seq": 7, "at": "2026-01-31T12:00:00.000Z", "op": "k3v9", "event": "intent",
     "step": "switch", "data": {...}, "prev": "…", "hash": "…"}

Events: `begin` and `end` of an operation, `intent` and `outcome` of a step, `pause` where a deploy
waits for a person (it has no end), and `note`. The data of `begin`, `pause` and `note` say who the
`actor` is; up to 0.6.0 they do not.

What is old moves to files beside it (`journal.jsonl.d/00000001.jsonl`, named after the first line
in each), between two operations: everyday work reads the newest file only. The chain goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from towline.errors import TowlineError
from towline.hosts.base import Files
from towline.state import actor
from towline.state.journal_lines import START, Chain, Entry, Part, digest, line_of

SCHEMA = 1
# Entries after which the next operation begins a new file: about 400 kB.
SEGMENT = 1000

# Entries by which something begins; what follows is of the same operation.
_SIGNED = ("begin", "pause", "note")

_REMEDY = (
    "restore the file from a backup, or put it aside with `inv history.repair`; in an emergency "
    "`inv rollback --force` does that too"
)

__all__ = ["SCHEMA", "SEGMENT", "Entry", "Journal", "Pause", "Unfinished", "unfinished"]


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
    _count: int = 0
    _left: bool = False

    def leave(self) -> None:
        """Write nothing any more: the journal is somebody else's now."""
        self._left = True

    @property
    def last(self) -> Entry | None:
        """The last entry that was written here; None before the first."""
        return self._last

    def entries(self) -> list[Entry]:
        """All entries; a half-written last line (a crash) is left out.

        Raises:
            TowlineError: When a line in the middle cannot be read.
        """
        return [entry for part in self._parts() for entry in _strict(part)]

    def newest(self) -> list[Entry]:
        """The entries since a past operation began: enough to know how the last one stands.

        Raises:
            TowlineError: When one cannot be read.
        """
        for part in self._backwards():
            entries = _strict(part)
            if any(entry["event"] == "begin" for entry in entries):
                return entries
        return []

    def recent(self) -> Iterator[list[Entry]]:
        """The entries of each operation, the newest operation first.

        Older files are read when somebody asks for more. Lines that cannot be read are left out.
        """
        for part in self._backwards():
            found: dict[str, list[Entry]] = {}
            for entry in part.entries():
                found.setdefault(entry["op"], []).append(entry)
            yield from reversed(list(found.values()))

    def last_operation(self) -> list[Entry]:
        """The entries of the last operation that can be read; a note by itself is none."""
        found = (entries for entries in self.recent() if entries[0]["event"] == "begin")
        return next(found, [])

    def walk(self) -> Iterator[Entry]:
        """All entries that can be read, the oldest first, a file at a time."""
        for part in self._parts():
            for _, entry in part.lines():
                if entry is not None:
                    yield entry

    def failure(self) -> str:
        """Why nothing can be written any more, in words; empty when it can.

        A half-written last line is no reason: the next entry repairs that.
        """
        return next(iter(self._broken()), "")

    def is_damaged(self) -> bool:
        """Whether a line of the newest file is missing, was changed or cannot be read."""
        return bool(self.failure())

    def verify(self) -> list[str]:
        """What is wrong with the chain, a line each; empty when it is whole."""
        chain = Chain()
        wrong: list[str] = []
        for part in self._parts():
            wrong += chain.wrong(part)
            if part.half:
                number = sum(1 for _ in part.lines()) + 1
                wrong.append(f"{part.path}:{number}: half-written (a crash); left out")
        return wrong

    def set_aside(self) -> Path:
        """Put a damaged journal aside, so that a new one begins; returns where it is now."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        place, number = self.path.with_name(f"{self.path.name}.damaged-{stamp}"), 1
        while self.files.exists(place):
            number += 1
            place = self.path.with_name(f"{self.path.name}.damaged-{stamp}-{number}")
        self.files.move(self._folder, place.with_name(f"{place.name}.d"))
        self.files.move(self.path, place)
        self.files.sync_folder(self.path.parent)
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
        who = {"actor": actor.current().data()} if event in _SIGNED else {}
        last = self._last or self._repair()
        entry: Entry = {
            "v": SCHEMA,
            "seq": last["seq"] + 1 if last else 1,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "op": operation,
            "event": event,
            "step": step,
            "data": self.redact({**who, **(data or {})}),
            "prev": last["hash"] if last else START,
        }
        entry["hash"] = digest(entry)
        # Whatever goes wrong now, nobody knows what the file ends with: it is read again.
        self._last = None
        if event == "begin" and self._count >= SEGMENT:
            self._begin_file(line_of(entry))
        else:
            self.files.append(self.path, line_of(entry))
            if last is None:
                self.files.sync_folder(self.path.parent)
            self._count += 1
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
            # Why the step failed counts more than a journal that cannot be written either.
            with suppress(OSError, TowlineError):
                self.write(operation, "outcome", name, failed)
            raise
        self.write(operation, "outcome", name, {"ok": True, **outcome})

    @property
    def _folder(self) -> Path:
        return self.path.with_name(f"{self.path.name}.d")

    def _repair(self) -> Entry | None:
        """Cut a half-written last line off before something is appended to it."""
        wrong = self._broken()
        if wrong:
            raise TowlineError(
                wrong[0],
                details=wrong[1:],
                remedy=_REMEDY,
            )
        newest = self._part(self.path)
        if newest.half:
            # In place: a disk that is full has no room for a second journal.
            self.files.truncate(self.path, newest.whole)
        entries = newest.entries()
        self._count = len(entries)
        if entries:
            return entries[-1]
        return next((part.entries()[-1] for part in self._backwards() if part.entries()), None)

    def _broken(self) -> list[str]:
        """What is wrong with the newest file; its first line is taken as it is."""
        newest = self._part(self.path)
        first = next(newest.lines(), (1, None))[1]
        return list(Chain(first["prev"] if first else None).wrong(newest))

    def _begin_file(self, line: bytes) -> None:
        """Put the newest file to the old ones, and begin another with a line.

        Killed in between, the file is in both places, and is moved again.
        """
        newest = self._part(self.path)
        first = newest.entries()[0]["seq"]
        old = self._folder / f"{first:08d}.jsonl"
        try:
            self.files.write(old, newest.content, 0o600)
            self.files.sync_folder(self._folder)
            self.files.write(self.path, line, 0o600)
        except OSError:
            # No room for a copy; a line may still fit.
            self.files.append(self.path, line)
            self._count += 1
        else:
            self.files.sync_folder(self.path.parent)
            self._count = 1

    def _part(self, path: Path) -> Part:
        try:
            return Part(path, self.files.read(path))
        except FileNotFoundError:
            return Part(path, b"")

    def _backwards(self) -> Iterator[Part]:
        """The files, the newest first; each is read when it is asked for."""
        newest = self._part(self.path)
        yield newest
        for path in reversed(self._older(newest)):
            yield self._part(path)

    def _parts(self) -> Iterator[Part]:
        """The files, the oldest first."""
        newest = self._part(self.path)
        for path in self._older(newest):
            yield self._part(path)
        yield newest

    def _older(self, newest: Part) -> list[Path]:
        first = next(newest.lines(), (0, None))[1]
        # What was being moved when it was killed is still the newest.
        twice = f"{first['seq']:08d}.jsonl" if first else ""
        names = self.files.names(self._folder)
        return [
            self._folder / name
            for name in names
            if name.endswith(".jsonl") and not name.startswith(".") and name != twice
        ]


def _strict(part: Part) -> list[Entry]:
    wrong = part.unreadable()
    if wrong:
        raise TowlineError(wrong, remedy=_REMEDY)
    return part.entries()


@dataclass(frozen=True)
class Pause:
    """Where a deploy waits for a person.

    Attributes:
        step: The stage that it has passed.
        at: Since when: UTC time, ISO 8601.
        share: Percentage of traffic that the new release gets.
        actor: Who paused it, by the configuration or by asking for it.
        reason: Why, in their words.
        verdict: What the gates of that stage said.
    """

    step: str
    at: str
    share: int
    actor: actor.Actor
    reason: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Unfinished:
    """An operation that began and did not end.

    Attributes:
        step: Where it was.
        before: The release that served before it.
        reason: Why somebody asked for it.
        strategy: How it was to reach traffic.
        passed: The stage after which a person let it go on.
        full: Whether that was to all traffic at once.
        by_version: Whether a person named its version, so that no hold stops it.
        hold: Why the environment is held when it has ended; empty where it is not.
        pause: Where it waits for a person, by intent; None where it was interrupted.
    """

    operation: str
    kind: str
    release: str
    step: str
    at: str
    before: str = ""
    reason: str = ""
    strategy: str = ""
    passed: str = ""
    full: bool = False
    by_version: bool = False
    hold: str = ""
    pause: Pause | None = None


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
        kind=str(data.get("kind", "")),
        release=str(data.get("release", "")),
        step=step,
        at=own[-1]["at"],
        before=str(data.get("before", data.get("live", ""))),
        reason=str(data.get("reason", "")),
        strategy=str(data.get("strategy", "")),
        passed=str(data.get("passed", "")),
        full=bool(data.get("full")),
        by_version=bool(data.get("by_version")),
        hold=str(data.get("hold", "")),
        pause=_pause(own),
    )


def _pause(own: list[Entry]) -> Pause | None:
    entry = own[-1]
    if entry["event"] != "pause":
        return None
    data = entry["data"]
    who, reason = actor.read(data.get("actor")), str(data.get("reason", ""))
    share, passed = int(data.get("share", 0)), ("outcome", entry["step"])
    # A journal that was begun anew has no outcomes of before.
    said = [e["data"].get("note", "") for e in own if (e["event"], e["step"]) == passed]
    verdict = str(said[-1] if said else data.get("verdict", ""))
    return Pause(entry["step"], entry["at"], share, who, reason, verdict)
