"""Which files below STATE/live are Towline's: the record of what it placed there.

One rule: a file is Towline's while its content is what Towline wrote. Only such a file is removed,
or written over without a word. Data that a service wrote, files that a person put there and files
that somebody changed are left, or a copy of them is.

STATE/placed.json    path below `live` -> the digests that Towline may have written
STATE/replaced/      copies of what was changed on the host and then written over
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from towline.errors import TowlineError
from towline.hosts.base import Files, Folder
from towline.hosts.reading import digest, walk
from towline.state.releases import StateFolder

_RECORD, _REPLACED = "placed.json", "replaced"


@dataclass
class Placed:
    """The record of one environment on one host.

    A new content is recorded beside the old one before it is written, and the old one is dropped
    after: whoever is killed between leaves a file that is still known as Towline's.
    """

    files: Files
    state: StateFolder
    folder: Folder
    digests: dict[Path, list[str]] = field(default_factory=dict)
    _written: bytes = b""

    @classmethod
    def read(cls, files: Files, state: StateFolder) -> "Placed":
        """The record as it is; worked out where a Towline before 0.7 deployed and kept none."""
        placed = cls(files, state, files.folder(state.live))
        path = state.root / _RECORD
        try:
            placed._written = files.read(path)
            found = json.loads(placed._written)
            placed.digests = {Path(name): list(given) for name, given in found["files"].items()}
        except FileNotFoundError:
            placed.digests = dict(placed._worked_out())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TowlineError(
                f"{path} cannot be read: {error}",
                remedy=f"move it away (mv {path} {path}.bad): then only files that are as a "
                "retained release has them count as Towline's",
            ) from None
        return placed

    def is_ours(self, path: Path, data: bytes) -> bool:
        """Whether a file below `live` still holds what Towline wrote."""
        return digest(data) in self.digests.get(path, [])

    def below(self, path: Path) -> list[Path]:
        """Recorded files at or below a path."""
        return sorted(item for item in self.digests if item.is_relative_to(path))

    def changed(self) -> Iterator[Path]:
        """Recorded files that somebody else changed.

        Raises:
            TowlineError: When one is a symbolic link now, or is no file at all.
        """
        for path in sorted(self.digests):
            if self.folder.entry(path) and not self.is_ours(path, self.folder.read(path)):
                yield path

    def note(self, path: Path, *digests: str) -> None:
        """Say which contents of a file are Towline's; none: the file is not."""
        if digests:
            self.digests[path] = sorted(set(digests))
        else:
            self.digests.pop(path, None)

    def save(self) -> None:
        """Write the record, where it changed."""
        names = {str(path): found for path, found in sorted(self.digests.items())}
        data = (json.dumps({"files": names}, indent=1) + "\n").encode()
        if data != self._written:
            self.files.write(self.state.root / _RECORD, data, 0o600)
            self._written = data

    def keep_copy(self, path: Path, data: bytes) -> Path:
        """Put what somebody changed aside; the same content is kept once."""
        copy = self.state.root / _REPLACED / f"{path.name}.{digest(data)[:12]}"
        if not self.files.exists(copy):
            self.files.mkdir(copy.parent, 0o700)
            self.files.write(copy, data, 0o600)
        return copy

    def _worked_out(self) -> Iterator[tuple[Path, list[str]]]:
        """What lies in `live` with exactly the content that a retained release gives it."""
        known = self._of_releases()
        for path in walk(self.folder, Path()):
            if path in known:
                found = digest(self.folder.read(path))
                if found in known[path]:
                    yield path, [found]

    def _of_releases(self) -> dict[Path, set[str]]:
        known: dict[Path, set[str]] = {}
        for name in self.files.names(self.state.releases):
            manifest = self.state.releases / name / "tree" / "release.json"
            try:
                found = json.loads(self.files.read(manifest))["files"]
                records = {Path(path): str(item["sha256"]) for path, item in found.items()}
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue  # a release without one vouches for nothing
            for path, sha256 in records.items():
                known.setdefault(path, set()).add(sha256)
        return known
