"""What a promotion would do, computed from the two trees; nothing is written here."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from towline.collector import collector_off
from towline.config.loading import FILE
from towline.errors import CheckFailed, UsageError
from towline.git.repository import Repository, open_repository, user_name
from towline.promotion import manifest as manifests
from towline.promotion.backport import backported_marks
from towline.promotion.dependencies import is_requirements
from towline.promotion.digests import Digests, open_digests
from towline.promotion.generated import FOLDER, LOCK, generated_files, variables
from towline.promotion.links import refuse_links
from towline.promotion.manifest import Manifest
from towline.promotion.migrations import find_migrations, is_same_record
from towline.promotion.release_version import promotion_version
from towline.promotion.requirements import lock
from towline.promotion.sources import copy_mapping, select
from towline.promotion.swap import leftovers
from towline.promotion.tree import MANIFEST_FILE, FileRecord, bytes_record, record_all, scan, within
from towline.versions import version_files
from towline.versions.decision import AUTO, Decision, counted
from towline.versions.version_files import Stamp

if TYPE_CHECKING:
    from towline.config.loading import Project

_NAMED_AT_MOST = 10

Files = Mapping[str, FileRecord]


@dataclass(frozen=True)
class Difference:
    """How files differ between two trees; sorted paths in the deploy tree."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        return f"{len(self.changed)} changed, {len(self.added)} added, {len(self.removed)} removed"

    @classmethod
    def between(cls, old: Files, new: Files) -> Difference:
        """What turns the old files into the new ones."""
        return cls(
            added=tuple(sorted(new.keys() - old.keys())),
            changed=tuple(
                sorted(path for path in new.keys() & old.keys() if new[path] != old[path])
            ),
            removed=tuple(sorted(old.keys() - new.keys())),
        )

    def below(self, folder: str) -> Difference:
        """The part of it at or below one path."""
        return Difference(
            *(
                tuple(path for path in paths if within(path, (folder,)))
                for paths in (self.added, self.changed, self.removed)
            )
        )


@dataclass(frozen=True)
class PromotionPlan:
    """What a promotion would do.

    Attributes:
        manifest: What the deploy tree would say of itself; its time is that of the plan.
        last: What it says now; None before the first promotion.
        copies: Path in the deploy tree -> path in the source tree: `promote.copy`, and the
            folder of generated files.
        sources: Absolute path of the file to copy by its path in the deploy tree; text, since
            ten thousand `Path` take long.
        generated: Content of generated files by their path in the deploy tree.
        promoted: What changes in the promoted paths.
        owned: What people changed in the deploy tree's other files since the last promotion.
        stamps: Version files before and after.
        commit_paths: What the commit holds; empty outside Git or when Git ignores the tree.
        decision: How the version was chosen.
        notes: What is worth knowing besides.
        nothing_to_do: Whether the deploy tree is as it should be already.
        known: Digests of files, learnt here and saved by the promotion.
    """

    source_tree: Path
    deploy_tree: Path
    test: tuple[str, ...]
    manifest: Manifest
    last: Manifest | None
    copies: Mapping[str, str]
    sources: Mapping[str, str]
    generated: Mapping[str, bytes]
    promoted: Difference
    owned: Difference
    stamps: tuple[Stamp, ...]
    commit: bool
    commit_paths: tuple[Path, ...]
    decision: Decision
    notes: tuple[str, ...]
    nothing_to_do: bool
    known: Digests = field(repr=False, compare=False)

    schema: ClassVar[str] = "promotion-plan"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is worth knowing before it is carried out."""
        return self.notes

    @property
    def project(self) -> str:
        """Name of the project."""
        return self.manifest.project

    @property
    def version(self) -> str:
        """The version that the tree gets."""
        return self.manifest.version

    @property
    def previous(self) -> str:
        """The version that was promoted last; empty before the first promotion."""
        return self.last.version if self.last else ""

    @property
    def dirty(self) -> bool:
        """Whether uncommitted changes would be promoted."""
        return self.manifest.dirty

    @property
    def message(self) -> str:
        """The message of the commit; a `chore`, so that it releases nothing by itself."""
        first = f"chore(release): promote {self.project} {self.version}"
        discarded = [f"Discarded-hotfix: {mark}" for mark in self.manifest.discarded]
        return "\n".join([first, "", *discarded] if discarded else [first])

    @property
    def is_held_back(self) -> bool:
        """Whether the tree differs, but no commit since the last promotion releases."""
        return self.nothing_to_do and bool(self.promoted or self.owned)

    def with_options(self, *, run_tests: bool = True, commit: bool = True) -> PromotionPlan:
        """The same plan without tests, or without a commit."""
        test = self.test if run_tests else ()
        return replace(self, test=test, commit=self.commit and commit)

    def data(self) -> dict[str, Any]:
        """The plan for machines; it holds no secret."""
        return {
            "project": self.project,
            "version": self.version,
            "previous": self.previous,
            "why": self.decision.why,
            "nothing_to_do": self.nothing_to_do,
            "test": shlex.join(self.test),
            "promoted": asdict(self.promoted),
            "owned": asdict(self.owned),
            "stamps": [
                _shown(item.path, self.source_tree)
                for item in self.stamps
                if item.before != item.after
            ],
            "discarded": list(self.manifest.discarded),
            "uncommitted": self.dirty,
            "commit": self.message if self._commits else "",
            "warnings": list(self.warnings),
        }

    @property
    def _commits(self) -> bool:
        return bool(self.commit and self.commit_paths)

    def lines(self) -> list[str]:
        """The plan for people, a line a step."""
        source, deploy = self.source_tree.name, self.deploy_tree.name
        if self.is_held_back:
            return [
                f"no new version after {self.project} {self.previous}: {self.decision.why}",
                "next: `inv promote --bump patch` promotes all the same; see versions.types",
            ]
        if self.nothing_to_do:
            return [f"nothing to promote: {deploy}/ is {self.project} {self.version} already"]
        before = self.previous or "(first time)"
        lines = [f"promote {self.project} {before} -> {self.version}: {self.decision.why}"]
        if self.test:
            lines.append(f"run {shlex.join(self.test)} in {source}/")
        lines += [
            f"stamp {self.version} in {_shown(item.path, self.source_tree)}"
            for item in self.stamps
            if item.before != item.after
        ]
        for target, origin in self.copies.items():
            part = self.promoted.below(target)
            verb = "generate" if target == FOLDER else f"copy {origin or '.'} ->"
            lines.append(f"{verb} {deploy}/{target}: {part}")
        if self.owned:
            lines.append(f"record the files of your own in {deploy}/: {self.owned}")
        lines += [f"discard the hotfix in {deploy}/{mark}" for mark in self.manifest.discarded]
        lines.append(f"write {deploy}/{MANIFEST_FILE}")
        if self._commits:
            lines.append(f"commit: {self.message.splitlines()[0]}")
        return [*lines, *(f"note: {note}" for note in self.notes)]


@collector_off()
def plan_promotion(
    project: Project,
    *,
    version: str = "",
    bump: str = AUTO,
    allow_dirty: bool = False,
    discard_hotfix: bool = False,
    relock: bool = False,
) -> PromotionPlan:
    """Work out what a promotion would do; only reads.

    Args:
        project: The project.
        version: Version to give the tree, when not to be derived.
        bump: `auto`, or the part to bump; see `version.PARTS`.
        allow_dirty: Promote uncommitted changes too; the manifest records it.
        discard_hotfix: Overwrite what was changed in the deploy tree; the manifest records it.
        relock: Lock the requirements anew, though they did not change.

    Raises:
        UsageError: When the configuration, a version or uncommitted changes do not allow it.
        CheckFailed: When promoted files were changed by hand, or a promotion was interrupted.
    """
    tree, settings = project.deploy_tree, project.settings.promote
    _refuse_leftovers(tree)
    repository = open_repository(project.root)
    last = manifests.read_if_any(tree)
    copies = copy_mapping(project)
    sources = select(project, copies, repository)
    copies = {**copies, FOLDER: ""}
    known = open_digests(repository.root if repository else project.root)
    current = scan(tree, known)
    dirty = _uncommitted(project, sources, repository)
    if dirty and not allow_dirty:
        raise _refuse_dirty(project, dirty)
    incoming = record_all(sources, known)
    # A version alone is no change: what is derived is compared as of the last one.
    before = last.version if last else ""
    locked = lock(project, _present(tree / LOCK), relock=relock)
    requirements = _requirements(sources)
    generated = generated_files(project, before, lock=locked, requirements=requirements)
    incoming |= _records(generated)
    discarded = _changes_by_hand(
        project, repository, last, current, incoming, tuple(copies), discard=discard_hotfix
    )

    promoted_now = _only(current, tuple(copies))
    owned = {path: item for path, item in current.items() if path not in promoted_now}
    refuse_links(tree, owned)
    written = (
        None
        if version
        else version_files.written_version(project.source_tree, settings.version_files)
    )
    planned = {**owned, **incoming}
    changed = last is None or _differs(project, last, planned, copies)
    uncommitted = changed and (bool(dirty) or _has_changes(repository, tree, owned))
    decision = promotion_version(
        project,
        repository,
        last,
        written,
        changed=changed,
        uncommitted=uncommitted,
        version=version,
        bump=bump,
    )
    chosen = decision.version
    held_back = changed and last is not None and chosen == last.version
    stamps = version_files.stamps(project.source_tree, settings.version_files, chosen)
    if repository is not None:
        version_files.refuse_outside(repository.root, stamps)
    incoming.update(_stamped(sources, incoming, stamps))
    if chosen != before:
        for path in generated:
            incoming.pop(path)
        generated = generated_files(project, chosen, lock=locked, requirements=requirements)
    incoming.update(_records(generated))
    planned.update(incoming)

    promoted = Difference.between(promoted_now, incoming)
    done = _is_done(last, chosen, stamps, changed=changed) and not discarded
    commit_paths = _commit_paths(project, repository, stamps)
    return PromotionPlan(
        source_tree=project.source_tree,
        deploy_tree=tree,
        test=tuple(settings.test),
        manifest=manifests.from_files(
            planned,
            project=project.settings.project,
            version=chosen,
            commit=repository.head() if repository else "",
            dirty=bool(dirty),
            promoted_by=repository.author() if repository else user_name(),
            source_paths=tuple(copies),
            migrations=settings.migrations,
            variables=variables(project),
            discarded=discarded,
        ),
        last=last,
        copies=copies,
        sources=sources,
        generated=generated,
        promoted=promoted,
        owned=Difference.between(_owned_before(last, tuple(copies)), owned),
        stamps=tuple(stamps),
        commit=settings.commit,
        commit_paths=commit_paths,
        decision=decision,
        notes=(
            *_notes(project, repository, last, copies, dirty, commit_paths),
            *_migration_notes(settings.migrations, planned),
        ),
        nothing_to_do=held_back or done,
        known=known,
    )


def _refuse_leftovers(tree: Path) -> None:
    found = leftovers(tree)
    if found:
        raise CheckFailed(
            f"{found[0]}: a promotion was interrupted, or is running",
            remedy="run `inv promote`: it puts the tree in order first",
        )


def _uncommitted(
    project: Project, sources: Mapping[str, str], repository: Repository | None
) -> list[Path]:
    """Uncommitted files of the source tree; untracked ones only where they would be copied."""
    if repository is None:
        return []
    copied = set(sources.values())
    stamped = {
        (project.source_tree / version_files.name_of(item)).resolve()
        for item in project.settings.promote.version_files
    }
    tree = project.source_tree
    return [
        change.path
        for change in repository.changes(project.root, outside=project.deploy_tree)
        if os.fspath(change.path) in copied
        or change.path in stamped
        or (change.tracked and change.path.is_relative_to(tree))
    ]


def _refuse_dirty(project: Project, dirty: Sequence[Path]) -> UsageError:
    return UsageError(
        f"{counted(len(dirty), 'uncommitted change')} in the source tree, the first is "
        f"{_shown(dirty[0], project.root)}",
        remedy="git commit them, or pass --allow-dirty",
        details=_some([_shown(path, project.root) for path in dirty]),
    )


def _has_changes(repository: Repository | None, tree: Path, owned: Files) -> bool:
    """Whether people's own files in the deploy tree are not committed."""
    if repository is None:
        return True
    paths = {tree / path for path in owned}
    return any(change.path in paths for change in repository.changes(tree))


def _changes_by_hand(
    project: Project,
    repository: Repository | None,
    last: Manifest | None,
    current: Files,
    incoming: Files,
    copies: tuple[str, ...],
    *,
    discard: bool,
) -> list[str]:
    """Refuse to overwrite what somebody changed in the deploy tree, unless it is to be discarded.

    A change that is the same in the source tree is none, and neither is one that was backported:
    a commit since the promotion says so. Paths that were never promoted have nothing to be
    compared with: there, what would be lost for good counts, that is, what is not in Git's last
    commit.

    Returns:
        What is discarded: path and digest.

    Raises:
        CheckFailed: When something would be overwritten.
    """
    tree = project.deploy_tree
    now = _only(current, copies)
    before = _only(last.files, copies) if last else {}
    promoted_before = last.source_paths if last else ()
    differing = [
        path
        for path in sorted(before.keys() | now.keys())
        if now.get(path) not in (before.get(path), incoming.get(path))
    ]
    marks = {path: _mark(path, now.get(path)) for path in differing}
    by_hand = [path for path in differing if within(path, promoted_before)]
    if by_hand and repository is not None and last is not None:
        contained = backported_marks(repository, last.commit)
        by_hand = [path for path in by_hand if marks[path] not in contained]
    if by_hand and discard:
        return [marks[path] for path in by_hand]
    remedy = (
        "`inv promote.drift` shows them, `inv promote.backport` brings them into the source tree; "
        "--discard-hotfix overwrites them"
    )
    if not by_hand:
        never = [path for path in now if not within(path, promoted_before)]
        by_hand = _not_in_git(
            tree, [path for path in never if incoming.get(path) != now[path]], repository
        )
        remedy = f"git commit {tree.name}/, so that nothing is lost, or remove these files"
    if by_hand:
        raise CheckFailed(
            f"a promotion would overwrite what was changed in {tree.name}/ itself, the first is "
            f"{tree.name}/{by_hand[0]}",
            remedy=remedy,
            details=_some([f"{tree.name}/{path}" for path in by_hand]),
        )
    return []


def _mark(path: str, item: FileRecord | None) -> str:
    return f"{path} {item.sha256 if item else 'removed'}"


def _not_in_git(tree: Path, paths: Sequence[str], repository: Repository | None) -> list[str]:
    if repository is None or not paths:
        return list(paths)
    known = set(repository.files(tree))
    uncommitted = {change.path for change in repository.changes(tree)}
    return [path for path in paths if path not in known or tree / path in uncommitted]


def _differs(project: Project, last: Manifest, planned: Files, copies: Mapping[str, str]) -> bool:
    name = project.settings.project
    found = find_migrations(planned, project.settings.promote.migrations)
    return (
        manifests.content_digest(name, planned) != last.content
        or not is_same_record(found, last.migrations)
        or tuple(sorted(copies)) != last.source_paths
    )


def _is_done(last: Manifest | None, chosen: str, stamps: Sequence[Stamp], *, changed: bool) -> bool:
    stamped = all(item.before == item.after for item in stamps)
    return last is not None and not changed and chosen == last.version and stamped


def _present(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _requirements(sources: Mapping[str, str]) -> dict[str, str]:
    """The requirements files among what is copied, by their path in the deploy tree."""
    files = {path: Path(file) for path, file in sources.items() if is_requirements(path)}
    return {
        path: file.read_text("utf-8", "replace") for path, file in files.items() if file.is_file()
    }


def _records(generated: Mapping[str, bytes]) -> dict[str, FileRecord]:
    return {path: bytes_record(content, "0644") for path, content in generated.items()}


def _stamped(
    sources: Mapping[str, str], incoming: Files, stamps: Sequence[Stamp]
) -> dict[str, FileRecord]:
    """Records of the version files that are copied, as they are after the stamp."""
    records = {}
    for path, source in sources.items():
        if incoming[path].mode != "link":
            after = version_files.content_after(source, stamps)
            if after is not None:
                records[path] = bytes_record(after, incoming[path].mode)
    return records


def _owned_before(last: Manifest | None, copies: tuple[str, ...]) -> Files:
    if last is None:
        return {}
    return {path: item for path, item in last.files.items() if not within(path, copies)}


def _commit_paths(
    project: Project, repository: Repository | None, stamps: Sequence[Stamp]
) -> tuple[Path, ...]:
    """What the promotion's commit holds: the version files and the deploy tree."""
    if repository is None or repository.ignores(project.deploy_tree / MANIFEST_FILE):
        return ()
    files = (item.path for item in stamps if item.before != item.after)
    return (
        *(path for path in files if not repository.ignores(path)),
        project.deploy_tree,
    )


def _migration_notes(patterns: Sequence[str], planned: Files) -> list[str]:
    if not patterns or find_migrations(planned, patterns):
        return []
    return [f"promote.migrations of {FILE} matches no file: rollbacks will not be guarded"]


def _notes(
    project: Project,
    repository: Repository | None,
    last: Manifest | None,
    copies: Mapping[str, str],
    dirty: Sequence[Path],
    commit_paths: Sequence[Path],
) -> list[str]:
    deploy = project.deploy_tree.name
    notes = []
    if dirty:
        verb = "is" if len(dirty) == 1 else "are"
        told = counted(len(dirty), "uncommitted change")
        notes.append(f"{told} {verb} promoted; the manifest records it")
    if project.settings.promote.commit and repository is None:
        notes.append("not in a Git repository: no commit is made or recorded")
    elif project.settings.promote.commit and not commit_paths:
        notes.append(f"Git ignores {deploy}/: no commit is made")
    if last is not None:
        notes += [
            f"{deploy}/{path} is no longer in promote.copy of {FILE}: it stays, and is yours now"
            for path in last.source_paths
            if path not in copies and os.path.lexists(project.deploy_tree / path)
        ]
    return notes


def _only(files: Files, folders: tuple[str, ...]) -> Files:
    # Most files lie below a folder, and asking `within` of each takes three times as long.
    start = tuple(f"{folder}/" for folder in folders)
    return {path: item for path, item in files.items() if path.startswith(start) or path in folders}


def _shown(path: Path, folder: Path) -> str:
    """A path for people: from the folder's parent when it lies in the folder."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _NAMED_AT_MOST
    return [*lines[:_NAMED_AT_MOST], *([f"and {more} more"] if more > 0 else [])]
