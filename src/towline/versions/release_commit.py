"""A release of the project itself: version files, changelog, index, commit and tag, as one.

Killed at any point, running it again finishes or undoes it: see `intention`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from towline.changelog.changelog import section_text
from towline.config.loading import FILE, Project
from towline.errors import TowlineError, UsageError
from towline.git import sealing
from towline.git.private import Private, exclusive, refuse_locked
from towline.git.repository import Repository, open_repository
from towline.versions import intention as intentions
from towline.versions import version_files
from towline.versions.claims import ask_remote, released_by
from towline.versions.decision import AUTO, Decision, counted
from towline.versions.intention import Intention, Reconciled
from towline.versions.release_notes import section_for, written_changelog
from towline.versions.version import parse
from towline.versions.version_files import Stamp
from towline.versions.version_state import VersionState, files_of, naming_key, repository_of

_SUBJECT = "chore(release): "


@dataclass(frozen=True)
class ReleasePlan:
    """What a release would do.

    Attributes:
        decision: The version, and why.
        tag: Name of the tag.
        notes: Text for the tag: the changelog's section.
        files: Version files and changelog before and after.
        committed: Whether the commit is there already, and only its tag is missing.
        root: The project's folder, which paths are shown from.
        commit: Whether the files are to be committed, and the commit tagged.
        warnings: What is worth knowing before it is carried out.
    """

    schema: ClassVar[str] = "release-plan"

    decision: Decision
    tag: str
    notes: str
    files: tuple[Stamp, ...]
    committed: bool = False
    root: Path = Path()
    commit: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def nothing_to_do(self) -> bool:
        """Whether there is no new version."""
        return not self.committed and not self.decision.is_new

    @property
    def message(self) -> str:
        """The message of the commit; a `chore`, so that it releases nothing by itself."""
        return f"{_SUBJECT}{self.tag}"

    @property
    def tag_message(self) -> str:
        """The message of the tag."""
        return f"{self.tag}\n\n{self.notes}"

    @property
    def changed(self) -> list[str]:
        """Files that get another content."""
        return [_shown(item.path, self.root) for item in self.files if item.before != item.after]

    def data(self) -> dict[str, Any]:
        """The plan for machines; it holds no secret."""
        return {
            "version": self.decision.version,
            "previous": self.decision.previous,
            "why": self.decision.why,
            "nothing_to_do": self.nothing_to_do,
            "files": [] if self.committed else self.changed,
            "commit": self.message if self.commit and not self.committed else "",
            "tag": self.tag if self.commit else "",
            "notes": self.notes,
            "warnings": list(self.warnings),
        }

    def lines(self) -> list[str]:
        """The plan for people, a line a step."""
        if self.nothing_to_do:
            return [f"nothing to release: {self.decision.why}"]
        before = self.decision.previous or "(no version yet)"
        lines = [f"release {before} -> {self.decision.version}: {self.decision.why}"]
        if not self.committed:
            lines += [f"write {path}" for path in self.changed]
            lines += [f"commit: {self.message}"] if self.commit else []
        lines += [f"tag {self.tag}"] if self.commit else []
        return [*lines, *(f"note: {warning}" for warning in self.warnings)]

    def done(self) -> list[str]:
        """What was done without a commit, a line a step."""
        if not self.changed:
            return [f"the files say {self.decision.version} already"]
        return [f"{self.decision.version} written into {path}" for path in self.changed]


def plan_release(
    version_state: VersionState, *, version: str = "", bump: str = AUTO, commit: bool = False
) -> ReleasePlan:
    """Work out a release; only reads.

    Args:
        version_state: Where the project stands.
        version: Version that was asked for.
        bump: Part to bump that was asked for.
        commit: Whether the files are to be committed, and the commit tagged.

    Raises:
        UsageError: When there is no decision, the tag exists, or a file cannot be stamped.
    """
    plan = _plan_release(version_state, version, bump)
    return replace(plan, root=version_state.project.root, commit=commit)


def _plan_release(version_state: VersionState, version: str, bump: str) -> ReleasePlan:
    unfinished = _unfinished(version_state, version)
    if unfinished is not None:
        return unfinished
    # An interrupted run may have stamped some files already.
    decision = version_state.decide(version=version, bump=bump, from_released=True)
    if not decision.is_new:
        return ReleasePlan(decision, "", "", ())
    tag = version_state.form.tag(decision.version)
    section = section_for(version_state, decision, tag)
    changelog = written_changelog(version_state, [section])
    notes = section_text(changelog.after.decode(), decision.version)
    folder, files = files_of(version_state.project)
    with naming_key(version_state.project):
        stamps = version_files.stamps(folder, files, decision.version)
    version_files.refuse_outside(version_state.repository.root, [*stamps, changelog])
    return ReleasePlan(decision, tag, notes, (*stamps, changelog))


def recover(project: Project) -> Reconciled | None:
    """Finish or undo what a killed release left; call it before the version state is read.

    Returns:
        What became of it; None when nothing was left.

    Raises:
        Locked: When another release is running.
        UsageError: When Git itself is locked.
        ManualInterventionRequired: When a file cannot be put back.
    """
    repository = repository_of(project)
    if not intentions.is_left(repository):
        return None
    with exclusive(repository) as private:
        return intentions.reconcile_left(repository, private)


def check_remote(version_state: VersionState, plan: ReleasePlan) -> str:
    """Refuse what the remote knows as released; see `claims.ask_remote`."""
    if plan.nothing_to_do:
        return ""
    remote = version_state.project.settings.promote.remote
    return ask_remote(version_state.repository, version_state.form, plan.decision.version, remote)


def carry_out(version_state: VersionState, plan: ReleasePlan, *, commit: bool) -> str:
    """Carry a release out; killed anywhere, `recover` finishes or undoes it.

    Args:
        version_state: What the plan was made from.
        plan: What to do.
        commit: Commit the files and tag the commit; else they are only written.

    Returns:
        The commit; empty when none was made.

    Raises:
        UsageError: When there are uncommitted changes, HEAD is detached or was moved since the
            plan was made, or Git is locked.
        Locked: When another release is running.
        TowlineError: When a file cannot be written or Git refuses. The files are as they were,
            unless the commit is there and only its tag is missing.
    """
    repository = version_state.repository
    with exclusive(repository) as private:
        if commit:
            refuse_locked(repository, plan.tag)
            refuse_unclean(repository, plan.files)
        _refuse_stale(version_state)
        head = repository.head()
        if plan.committed:
            if commit:
                repository.tag(plan.tag, plan.tag_message)
            return head if commit else ""
        intention = Intention(
            head, plan.message if commit else "", plan.tag, plan.tag_message, plan.files
        )
        intention.write(repository, private)
        try:
            made = _make(repository, plan, private) if commit else _write(plan)
        except BaseException:
            if not intention.landed(repository):
                intention.reconcile(repository, private)
            raise
        intentions.clear(private)
        return made


def stamp(project: Project, version: str) -> list[Path]:
    """Write a version into all version files, or into none.

    Returns:
        The files that changed.

    Raises:
        UsageError: When no version file is named, or one cannot be stamped.
        TowlineError: When a file cannot be written; none is changed then.
    """
    folder, files = files_of(project)
    if not files:
        raise UsageError(
            "no version file is named, so there is nothing to write a version into",
            remedy=f"name them in versions.files of {FILE}, such as [pyproject.toml]",
        )
    with naming_key(project):
        changes = version_files.stamps(folder, files, str(parse(version)))
    repository = open_repository(project.root)
    if repository is not None:
        version_files.refuse_outside(repository.root, changes)
    try:
        version_files.write(changes)
    except OSError as error:
        raise _unwritten(error) from None
    return [item.path for item in changes if item.before != item.after]


def refuse_unclean(repository: Repository, expected: Iterable[Stamp] = ()) -> None:
    """Refuse to release what is not committed, or from no branch.

    Args:
        repository: The repository.
        expected: Files that may differ from the commit, if they hold what the release writes:
            an interrupted release leaves them so.

    Raises:
        UsageError: When tracked files are changed, or HEAD is detached.
    """
    if not repository.branch():
        raise UsageError(
            f"{repository.root}: HEAD is detached; a release commit would belong to no branch",
            remedy="check a branch out: git switch main",
        )
    written = {item.path for item in expected if item.before == item.after}
    dirty = [
        change.path
        for change in repository.changes(repository.root)
        if change.tracked and change.path.resolve() not in written
    ]
    if dirty:
        shown = [_shown(path, repository.root) for path in dirty]
        raise UsageError(
            f"{counted(len(dirty), 'uncommitted change')}, the first is {shown[0]}",
            remedy="git commit or git stash them, and run this again",
            details=shown[1:10],
        )


def _unfinished(version_state: VersionState, version: str) -> ReleasePlan | None:
    """The release whose commit is HEAD and whose tag is missing; None when there is none."""
    found = released_by(version_state.history[0].subject, version_state.form)
    tag = version_state.form.tag(found) if found else ""
    if found is None or version_state.repository.has_tag(tag):
        return None
    last = version_state.last
    if (version and parse(version) != found) or (last and found <= last[0]):
        return None
    decision = Decision(
        version=str(found),
        previous=str(last[0]) if last else "",
        part="none",
        why="its commit is there, its tag is not",
    )
    return ReleasePlan(decision, tag, _notes(version_state, str(found)), (), committed=True)


def _notes(version_state: VersionState, version: str) -> str:
    path = version_state.project.root / version_state.project.settings.versions.changelog
    with suppress(OSError, UnicodeDecodeError):
        return section_text(path.read_text(encoding="utf-8"), version)
    return ""


def _refuse_stale(version_state: VersionState) -> None:
    """Others may have committed, or have released, since the plan was made."""
    left = intentions.is_left(version_state.repository)
    if left or version_state.repository.head() != version_state.history[0].sha:
        raise UsageError(
            f"{version_state.repository.root} was changed since the release was planned; "
            "nothing was done",
            remedy="run this again",
        )


def _make(repository: Repository, plan: ReleasePlan, private: Private) -> str:
    """Files, commit and tag; returns the commit."""
    _write(plan)
    made = repository.head()
    if _uncommitted(repository, plan.files):
        paths = [item.path for item in plan.files if not repository.ignores(item.path)]
        made = sealing.commit(repository, plan.message, paths, private=private)
    try:
        repository.tag(plan.tag, plan.tag_message, made)
    except TowlineError as error:
        raise TowlineError(
            f"{error.message}; the release commit {made[:12]} is there, its tag is not",
            remedy="fix what Git says, and run this again: it makes the tag",
            details=error.details,
        ) from None
    return made


def _write(plan: ReleasePlan) -> str:
    try:
        version_files.write(plan.files)
    except OSError as error:
        raise _unwritten(error) from None
    return ""


def _unwritten(error: OSError) -> TowlineError:
    return TowlineError(
        f"{error.filename} cannot be written: {error.strerror}; nothing was changed",
        remedy="fix that, and run this again",
    )


def _uncommitted(repository: Repository, files: Iterable[Stamp]) -> bool:
    """Whether any of the files differs from the commit that is checked out."""
    paths = {item.path for item in files}
    return any(change.path.resolve() in paths for change in repository.changes(repository.root))


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
