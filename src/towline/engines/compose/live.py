"""The stable copy of configuration files that long-lived containers mount.

A container keeps the inode it was started with, so files are written in place, and only those that
differ. What may be removed or written over is said in `placed.py`, and nowhere else.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from towline.engines.compose.placed import Placed
from towline.engines.compose.render import mounts, writable
from towline.errors import TowlineError
from towline.hosts.base import Files, Folder
from towline.hosts.reading import digest, walk
from towline.state.releases import Release, StateFolder


@dataclass
class Synced:
    """What bringing `live` up to date did.

    Attributes:
        changed: Service -> the paths that changed, relative to `live`.
        said: What people should know, a line each.
    """

    changed: dict[str, list[Path]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _File:
    """A file as a release has it."""

    data: bytes
    mode: int
    owner: int | None


@dataclass
class _Sync:
    """One comparison of `live` with a release.

    Attributes:
        private: Keys and secrets of its app services, which also lie in its tree.
    """

    placed: Placed
    tree: Folder
    private: frozenset[Path] = frozenset()
    done: Synced = field(default_factory=Synced)
    write: dict[Path, _File] = field(default_factory=dict)
    remove: dict[Path, bytes] = field(default_factory=dict)

    def compare(self, service: str, path: Path, owner: int | None, is_written: bool) -> None:
        """What is to change for a mounted file or folder.

        Args:
            service: Who mounts it.
            path: What is mounted.
            owner: Who the service runs as.
            is_written: Whether the service may write there: then a change is its data.
        """
        found = (item for item in walk(self.tree, path) if item not in self.private)
        wanted = {item: self._file(item, owner) for item in found}
        changed = [item for item, file in wanted.items() if self._differs(item, file, is_written)]
        gone = (item for item in self.placed.below(path) if item not in wanted)
        changed += [item for item in gone if self._is_removed(item)]
        if changed:
            self.done.changed.setdefault(service, []).extend(changed)

    def carry_out(self, roots: Iterable[Path]) -> None:
        """Change what was found, in a way that a killed run leaves every file known."""
        placed, live = self.placed, self.placed.folder
        for path, file in self.write.items():
            placed.note(path, *placed.digests.get(path, []), digest(file.data))
        placed.save()
        mounted = set(roots) - self.write.keys()
        for path in self.remove:
            live.remove(path)
            _prune(live, path.parent, mounted)
        for path, file in self.write.items():
            live.overwrite(path, file.data, file.mode, file.owner)
            placed.note(path, digest(file.data))
        for path in self.remove:
            placed.note(path)
        placed.save()

    def _refuse(self, error: TowlineError) -> None:
        """What a container planted is told by the check; it keeps nobody from rolling back."""
        self.done.said.append(f"{error.message}: left as it is")

    def _file(self, path: Path, owner: int | None) -> _File:
        data, entry = self.tree.read(path), self.tree.entry(path)
        if path.suffix == ".pem" and b"PRIVATE KEY" in data:
            return _File(data, 0o600, owner)
        return _File(data, 0o755 if entry and entry.mode & 0o100 else 0o644, None)

    def _differs(self, path: Path, file: _File, is_written: bool) -> bool:
        """Whether a file is to be written."""
        if path in self.write:
            return True  # another service mounts it as well
        live, placed = self.placed.folder, self.placed
        try:
            entry = live.entry(path)
            there = live.read(path) if entry and entry.kind != "folder" else None
        except TowlineError as error:
            self._refuse(error)
            return False
        if there is not None:
            if there == file.data:
                placed.note(path, digest(there))
                return False
            if not placed.is_ours(path, there):
                where = live.root / path
                if is_written:
                    self.done.said.append(f"{where} was written by a container: left as it is")
                    return False
                copy = placed.keep_copy(path, there)
                self.done.said.append(
                    f"{where} was changed on the host: replaced, a copy is {copy}"
                )
        self.write[path] = file
        return True

    def _is_removed(self, path: Path) -> bool:
        """Whether a file that the release no longer has is to be removed."""
        live = self.placed.folder
        try:
            entry = live.entry(path)
        except TowlineError as error:
            self._refuse(error)
            return False
        if entry is not None and entry.kind == "file":
            there = live.read(path)
            if self.placed.is_ours(path, there):
                self.remove[path] = there
                return True
        if entry is not None:
            self.done.said.append(
                f"{live.root / path} was changed since it was placed: left, though no longer used"
            )
        self.placed.note(path)
        return False


def sync(
    files: Files,
    state: StateFolder,
    model: dict[str, Any],
    services: Iterable[str],
    release: Release,
    announce: Callable[[Mapping[str, list[Path]]], None] | None = None,
) -> Synced:
    """Bring what services mount from `live` to what a release's tree holds.

    Only files that Towline placed are removed or written over; see `placed.py`.

    Args:
        files: The host's files.
        state: The state folder.
        model: The rendered file.
        services: Whose files to bring.
        release: The release.
        announce: Told what is to change, before anything does.

    Returns:
        What changed; services for which nothing did are left out.
    """
    found, written = mounts(model, state.live), writable(model, state.live)
    private = frozenset(Path(name) for name in release.host_files)
    job = _Sync(Placed.read(files, state), files.folder(release.tree), private)
    for service in services:
        owner = _owner(model["services"][service])
        for path in found.get(service, []):
            job.compare(service, path, owner, path in written)
    if announce and job.done.changed:
        announce(job.done.changed)
    job.carry_out(path for paths in found.values() for path in paths)
    entry = job.placed.folder.entry(Path())
    if entry and entry.mode & 0o077:
        # An older Towline left it open, with keys in it.
        with suppress(PermissionError):
            files.chmod(state.live, 0o700)
    return job.done


@dataclass(frozen=True)
class Snapshot:
    """Files below `live` as they were, and what was Towline's of them."""

    contents: Mapping[Path, tuple[bytes, int]]
    digests: Mapping[Path, list[str]]


def snapshot(files: Files, state: StateFolder, paths: Iterable[Path]) -> Snapshot:
    """The files at or below some paths of `live`."""
    placed = Placed.read(files, state)
    found = {item for path in paths for item in walk(placed.folder, path)}
    entries = {path: placed.folder.entry(path) for path in found}
    contents = {
        path: (placed.folder.read(path), entry.mode) for path, entry in entries.items() if entry
    }
    return Snapshot(contents, dict(placed.digests))


def put_back(files: Files, state: StateFolder, before: Snapshot) -> None:
    """Undo a sync: contents are as they were, and what it added is gone."""
    placed = Placed.read(files, state)
    for path, (data, mode) in before.contents.items():
        # What could not be written is as it was; a full disk must not hide why it failed.
        with suppress(OSError, TowlineError):
            entry = placed.folder.entry(path)
            if entry is None or placed.folder.read(path) != data:
                placed.folder.overwrite(path, data, mode)
    for path in placed.digests.keys() - before.digests.keys() - before.contents.keys():
        with suppress(OSError, TowlineError):
            if placed.is_ours(path, placed.folder.read(path)):
                placed.folder.remove(path)
    for path, digests in before.digests.items():
        placed.note(path, *digests, *placed.digests.get(path, []))
    with suppress(OSError):
        placed.save()


def _prune(live: Folder, path: Path, roots: set[Path]) -> None:
    """Remove folders that became empty, but for those that containers mount."""
    while path != Path() and path not in roots and live.remove(path):
        path = path.parent


def _owner(definition: dict[str, Any]) -> int | None:
    """The numeric user a container runs as, who must be able to read its private keys."""
    user = str(definition.get("user") or "").split(":")[0]
    return int(user) if user.isdigit() else None
