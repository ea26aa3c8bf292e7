"""Files that somebody changed in the deploy tree itself since the promotion: hotfixes."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from towline.config.loading import Project
from towline.errors import TowlineError
from towline.git.repository import Repository, open_repository
from towline.promotion import manifest as manifests
from towline.promotion.generated import FOLDER
from towline.promotion.manifest import Manifest
from towline.promotion.sources import copy_mapping
from towline.promotion.tree import MANIFEST_FILE, FileRecord, record, scan, within

_BINARY_LOOKED_AT = 8000


@dataclass(frozen=True)
class DriftedFile:
    """One promoted file that differs from what was promoted.

    Attributes:
        path: Path in the deploy tree.
        before: What was promoted; None for a file that was added.
        after: What lies there now; None for a file that was removed.
        source: Path in the source tree; empty for a file that promotion derives.
        content: What was promoted; None when it was added, or when Git does not have it.
        is_backported: Whether the source tree holds the same.
    """

    path: str
    before: FileRecord | None
    after: FileRecord | None
    source: str
    content: bytes | None
    is_backported: bool = False

    @property
    def kind(self) -> str:
        """What happened to it."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "changed" if self.before.sha256 != self.after.sha256 else "mode changed"

    @property
    def mark(self) -> str:
        """A line that names exactly this change; see `backport`."""
        return f"{self.path} {self.after.sha256 if self.after else 'removed'}"


@dataclass(frozen=True)
class Drift:
    """All of them.

    Attributes:
        tree: The deploy tree.
        version: The version that was promoted; empty when nothing was.
        files: Sorted by path.
    """

    tree: Path
    version: str
    files: tuple[DriftedFile, ...] = ()

    def diff(self) -> str:
        """A unified diff from what was promoted to what lies there."""
        return "".join(line for item in self.files for line in self._diff(item))

    def _diff(self, item: DriftedFile) -> Iterator[str]:
        name = f"{self.tree.name}/{item.path}"
        path = self.tree / item.path
        if item.kind == "mode changed" and item.before and item.after:
            yield f"{name}: mode {item.before.mode} -> {item.after.mode}\n"
            return
        after = content_of(path) if item.after else b""
        if item.before is not None and item.content is None:
            yield f"{name}: {item.kind}; what was promoted is not in Git\n"
        elif _is_binary(item.content or b"") or _is_binary(after):
            yield f"{name}: {item.kind} (binary)\n"
        else:
            old, new = ((data or b"").decode("utf-8", "replace") for data in (item.content, after))
            names = (f"a/{name}" if item.before else "/dev/null",
                     f"b/{name}" if item.after else "/dev/null")  # fmt: skip
            lines = difflib.unified_diff(
                old.splitlines(keepends=True), new.splitlines(keepends=True), *names
            )
            for line in lines:
                yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def find(project: Project) -> Drift:
    """Look for files that were changed in the deploy tree since the promotion, committed or not.

    People's own files in the deploy tree are theirs to change; they are no drift.

    Raises:
        UsageError: When the manifest or a file cannot be read.
    """
    tree = project.deploy_tree
    manifest = manifests.read_if_any(tree)
    if manifest is None:
        return Drift(tree, "")
    found = _drifted(manifest, scan(tree))
    if not found:
        return Drift(tree, manifest.version)
    promoted = _Promoted(tree, open_repository(project.root))
    mapping = {**copy_mapping(project), FOLDER: ""}
    files = []
    for path, (before, after) in found.items():
        source = _source(path, mapping)
        files.append(
            DriftedFile(
                path=path,
                before=before,
                after=after,
                source=source,
                content=promoted.content(path, before) if before else None,
                is_backported=bool(source) and _record(project.source_tree / source) == after,
            )
        )
    return Drift(tree, manifest.version, tuple(files))


def content_of(path: Path) -> bytes:
    """A file's content; of a symbolic link its target, as Git keeps it."""
    return str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()


def _drifted(
    manifest: Manifest, now: Mapping[str, FileRecord]
) -> dict[str, tuple[FileRecord | None, FileRecord | None]]:
    paths = sorted(manifest.files.keys() | now.keys())
    pairs = ((path, (manifest.files.get(path), now.get(path))) for path in paths)
    return {path: pair for path, pair in pairs if pair[0] != pair[1] and manifest.promotes(path)}


def _source(path: str, mapping: Mapping[str, str]) -> str:
    """Where a file of the deploy tree comes from; empty when promotion derives it."""
    for target, source in mapping.items():
        if target != FOLDER and within(path, (target,)):
            rest = path[len(target) :].lstrip("/")
            return "/".join(part for part in (source, rest) if part)
    return ""


def _record(path: Path) -> FileRecord | None:
    return record(path) if path.is_symlink() or path.is_file() else None


class _Promoted:
    """What was promoted, out of the commit that last wrote the manifest."""

    def __init__(self, tree: Path, repository: Repository | None) -> None:
        self._tree = tree
        self._repository = repository
        self._commit = self._find_commit()

    def content(self, path: str, wanted: FileRecord) -> bytes | None:
        """A promoted file; None when Git does not have just this content."""
        data = self._read(path) if self._commit else None
        if data is None or hashlib.sha256(data).hexdigest() != wanted.sha256:
            return None
        return data

    def _find_commit(self) -> str:
        if self._repository is None or not self._repository.head():
            return ""
        words = ("log", "-1", "--format=%H", "HEAD", "--", str(self._tree / MANIFEST_FILE))
        return self._repository.ask(*words).strip()

    def _read(self, path: str) -> bytes | None:
        repository = self._repository
        if repository is None:
            return None
        name = (self._tree.resolve() / path).relative_to(repository.root.resolve()).as_posix()
        try:
            return repository.blob(f"{self._commit}:{name}")
        except TowlineError:
            return None


def _is_binary(data: bytes) -> bool:
    # As Git decides.
    return b"\0" in data[:_BINARY_LOOKED_AT]
