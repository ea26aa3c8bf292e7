"""The manifest of a promoted tree: which release it is, and what every file in it must be."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

import towline
from towline.atomic import STAGING_PREFIX, replace_file
from towline.config.wording import in_words
from towline.errors import UsageError
from towline.findings import Finding, Severity
from towline.promotion.links import link_findings
from towline.promotion.migrations import find_migrations, parse_recorded
from towline.promotion.tree import MANIFEST_FILE, FileRecord, scan, within
from towline.versions.version import parse

SCHEMA = 2  # 2: migrations by path and content
_NAMED_AT_MOST = 10
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


class Manifest(BaseModel):
    """What `release.json` says.

    Attributes:
        schema_: Version of this format.
        project: Name of the project.
        version: Semantic version of the release.
        commit: Git commit of the source tree; empty when it is not in Git.
        dirty: Whether the source tree held changes that are not in that commit.
        promoted_at: UTC time, ISO 8601.
        promoted_by: Who promoted.
        tool: Version of Towline that promoted.
        content: Digest of project and files; the same for the same tree, whenever, wherever and
            by whomever it was promoted.
        source_paths: Paths in the deploy tree that promotion owns; the rest people own.
        migrations: Path of each migration that the release knows -> SHA-256; see `migrations`.
        variables: Names that the Compose file and the example of variables give.
        discarded: Hotfixes in the deploy tree that this promotion overwrote: path and digest.
        files: Path in the deploy tree -> its record.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True
    )

    schema_: int = Field(SCHEMA, alias="schema")
    project: str
    version: str
    commit: str = ""
    dirty: bool = False
    promoted_at: str
    promoted_by: str = ""
    tool: str
    content: str
    source_paths: tuple[str, ...] = ()
    migrations: Annotated[dict[str, str], BeforeValidator(parse_recorded)] = {}
    variables: tuple[str, ...] = ()
    discarded: tuple[str, ...] = ()
    files: dict[str, FileRecord]

    @field_validator("commit")
    @classmethod
    def _is_an_object(cls, text: str) -> str:
        # It stands in commands: an option in its place would be obeyed.
        if text and not _OBJECT.fullmatch(text):
            raise ValueError("it is no hash of a Git commit")
        return text

    @field_validator("version")
    @classmethod
    def _is_semantic(cls, text: str) -> str:
        try:
            return str(parse(text))
        except UsageError as error:
            raise ValueError(error.message) from None

    def promotes(self, path: str) -> bool:
        """Whether promotion owns a path of the deploy tree."""
        return within(path, self.source_paths)

    def with_files(self, files: Mapping[str, FileRecord]) -> Manifest:
        """The same release with other files, in order and with their digest."""
        files = dict(sorted(files.items()))
        return self.model_copy(
            update={"files": files, "content": content_digest(self.project, files)}
        )

    def text(self) -> str:
        """The file's content: pretty JSON in a stable order, with a newline at its end."""
        data: dict[str, Any] = self.model_dump(by_alias=True, exclude={"files"})
        data["schema"] = SCHEMA  # what was read in an older form is written in today's
        data["files"] = {path: item.data() for path, item in self.files.items()}
        return json.dumps(data, indent=2) + "\n"


def build(
    tree: Path,
    *,
    project: str,
    version: str,
    commit: str = "",
    dirty: bool = False,
    promoted_by: str = "",
    source_paths: Iterable[str] = (),
    migrations: Sequence[str] = (),
) -> Manifest:
    """Record a deploy tree as it lies on disk.

    Args:
        tree: The deploy tree.
        project: Name of the project.
        version: Version of the release.
        commit: Git commit of the source tree.
        dirty: Whether the source tree held changes that are not in that commit.
        promoted_by: Who promotes.
        source_paths: Paths in the deploy tree that promotion owns.
        migrations: Globs in the deploy tree, in gitignore syntax; `promote.migrations`.

    Raises:
        UsageError: When a file cannot be recorded, or the version is not semantic.
    """
    return from_files(
        scan(tree),
        project=project,
        version=version,
        commit=commit,
        dirty=dirty,
        promoted_by=promoted_by,
        source_paths=source_paths,
        migrations=migrations,
    )


def from_files(
    files: Mapping[str, FileRecord],
    *,
    project: str,
    version: str,
    commit: str = "",
    dirty: bool = False,
    promoted_by: str = "",
    source_paths: Iterable[str] = (),
    migrations: Sequence[str] = (),
    variables: Iterable[str] = (),
    discarded: Iterable[str] = (),
) -> Manifest:
    """The manifest of a tree that holds these files; see `build`.

    Raises:
        UsageError: When the version is not semantic.
    """
    files = dict(sorted(files.items()))
    return Manifest(
        project=project,
        version=str(parse(version)),
        commit=commit,
        dirty=dirty,
        promoted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        promoted_by=promoted_by,
        tool=towline.__version__,
        content=content_digest(project, files),
        source_paths=tuple(sorted(source_paths)),
        migrations=find_migrations(files, migrations),
        variables=tuple(sorted(variables)),
        discarded=tuple(sorted(discarded)),
        files=files,
    )


def content_digest(project: str, files: Mapping[str, FileRecord]) -> str:
    """One SHA-256 over a project's name and its files, whatever their order."""
    digest = hashlib.sha256(project.encode())
    for path, item in sorted(files.items()):
        digest.update(f"\0{path}\0{item.mode}\0{item.sha256}".encode())
    return digest.hexdigest()


def read(tree: Path) -> Manifest:
    """Read the manifest of a deploy tree.

    Raises:
        UsageError: When the tree was never promoted, or its manifest cannot be read.
    """
    found = read_if_any(tree)
    if found is None:
        raise UsageError(
            f"{tree / MANIFEST_FILE} does not exist: {tree.name}/ was not promoted yet",
            remedy="run `inv promote`",
        )
    return found


def read_if_any(tree: Path) -> Manifest | None:
    """Read the manifest of a deploy tree; None when the tree was never promoted.

    Raises:
        UsageError: When it cannot be read, or a newer Towline wrote it.
    """
    path = tree / MANIFEST_FILE
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise _unreadable(path, str(error)) from None
    if isinstance(data, dict) and isinstance(data.get("schema"), int) and data["schema"] > SCHEMA:
        raise UsageError(
            f"{path} was written by a newer Towline ({data.get('tool')})",
            remedy="upgrade Towline: pip install --upgrade towline",
        )
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _unreadable(path, f"`{where}`: {in_words(first)}") from None


def write(tree: Path, manifest: Manifest) -> Path:
    """Write the manifest into a tree; a reader sees the old or the new one, never a part."""
    path = tree / MANIFEST_FILE
    tree.mkdir(parents=True, exist_ok=True)
    replace_file(path, manifest.text().encode())
    return path


def verify(
    tree: Path, manifest: Manifest, *, files: Mapping[str, FileRecord] | None = None
) -> list[Finding]:
    """Compare a deploy tree with its manifest; no findings when it is as it was promoted.

    Args:
        tree: The deploy tree.
        manifest: What it must be.
        files: Records of the tree, when the caller has just scanned it.

    Raises:
        UsageError: When a file cannot be read.
    """
    found = scan(tree) if files is None else files
    kept = manifest.files
    changed = [path for path in found if path in kept and found[path] != kept[path]]
    missing = [path for path in kept if path not in found]
    extra = [path for path in found if path not in kept]
    return [
        *_interrupted(tree),
        *link_findings(tree, found),
        *_differences(tree, manifest, "was changed since the promotion", changed),
        *_differences(tree, manifest, "is missing", missing),
        *_differences(tree, manifest, "is not part of the release", extra),
    ]


def _interrupted(tree: Path) -> list[Finding]:
    return [
        Finding(
            "manifest",
            Severity.ERROR,
            f"{tree.name}/{folder.name}: a promotion was interrupted",
            "run `inv promote`: it puts the tree in order first",
        )
        for folder in sorted(tree.glob(f"{STAGING_PREFIX}*/"))
    ]


def _differences(tree: Path, manifest: Manifest, what: str, paths: Sequence[str]) -> list[Finding]:
    findings = [
        Finding(
            "manifest",
            Severity.ERROR,
            f"{tree.name}/{path} {what}",
            _remedy(f"{tree.name}/{path}", promoted=manifest.promotes(path), what=what),
        )
        for path in paths[:_NAMED_AT_MOST]
    ]
    if len(paths) > _NAMED_AT_MOST:
        findings.append(
            Finding(
                "manifest",
                Severity.ERROR,
                f"{len(paths) - _NAMED_AT_MOST} further files of {tree.name}/: each {what}",
                f"see them with `git status {tree.name}`",
            )
        )
    return findings


def _remedy(path: str, *, promoted: bool, what: str) -> str:
    back = f"remove it: rm {path}" if "not part" in what else f"undo it: git checkout -- {path}"
    if promoted:
        return f"make the change in the source tree and run `inv promote`, or {back}"
    return f"run `inv promote` to make it part of a release, or {back}"


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} is not a manifest: {why}",
        remedy=f"undo it: git checkout -- {path}; or remove it and run `inv promote`",
    )
