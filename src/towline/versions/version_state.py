"""Where a project's versions stand: what was released, what came since, what comes next."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from semver import Version

from towline.config.loading import Project
from towline.config.release_sections import VersionFile
from towline.errors import UsageError
from towline.git import log
from towline.git.changes import Change, changes
from towline.git.log import Commit, History, Reading
from towline.git.repository import Repository, open_repository
from towline.versions import channels, claims, version_files
from towline.versions import decision as decisions
from towline.versions.decision import AUTO, Decision, DecisionInputs
from towline.versions.rules import Rules
from towline.versions.tags import TagForm
from towline.versions.version import order_key, parse


@dataclass(frozen=True)
class VersionState:
    """The versions of a project, read once.

    Attributes:
        project: The project.
        repository: Its repository.
        history: All commits that HEAD reaches.
        form: How versions are written as tags.
        tags: The tags of all versions that lead to HEAD, lowest version first.
        branch: Branch to take for the channel; empty for the one that is checked out.
    """

    project: Project
    repository: Repository
    history: History
    form: TagForm
    tags: Sequence[str]
    branch: str = ""

    @property
    def last(self) -> tuple[Version, str] | None:
        """The highest version, with its tag."""
        return (self.version(self.tags[-1]), self.tags[-1]) if self.tags else None

    @cached_property
    def recent(self) -> list[tuple[Version, str]]:
        """The last final version and all versions above it; all versions when none is final."""
        found = []
        for tag in reversed(self.tags):
            found.append((self.version(tag), tag))
            if not found[-1][0].prerelease:
                break
        return found[::-1]

    def version(self, tag: str) -> Version:
        """The version that one of the tags names."""
        found = self.form.version(tag)
        assert found is not None  # noqa: S101 - it is one of the tags that name versions
        return found

    @property
    def rules(self) -> Rules:
        """Which part a change bumps."""
        return Rules.of(self.project.settings.versions)

    @cached_property
    def written(self) -> Version | None:
        """The version in the version files; None when none are named.

        Once something is released, the highest counts where they differ.
        """
        folder, files = files_of(self.project)
        with naming_key(self.project):
            if self.tags and files:
                found = version_files.written_versions(folder, files)
                return max(map(parse, found), key=order_key)
            text = version_files.written_version(folder, files)
        return parse(text) if text else None

    @cached_property
    def label(self) -> str | None:
        """Label of the branch's channel; see `channels.label`."""
        settings = self.project.settings.versions
        return channels.label(settings.channels, self.repository, branch=self.branch)

    def changes_since(self, tag: str) -> list[Change]:
        """What changed after a tag, newest first; since the beginning for an empty one."""
        start = self.history.tags[tag] if tag else ""
        return self.counted(self.history.since(start), start)

    def counted(self, commits: Sequence[Commit], since: str = "") -> list[Change]:
        """The changes of commits that touch the paths that count."""
        paths = self._paths
        if paths is not None and commits:
            touching = self._touching(since, paths)
            commits = [commit for commit in commits if commit.sha in touching]
        return changes(commits, squash=self.project.settings.versions.squash)

    def decide(
        self, *, version: str = "", bump: str = AUTO, from_released: bool = False
    ) -> Decision:
        """The next version; see `decision.decide`.

        Args:
            version: Version that was asked for.
            bump: Part to bump that was asked for.
            from_released: Bump the part of the released version, whatever the files say.

        Raises:
            UsageError: When what is asked for, the branch or a tag does not allow a decision.
        """
        self.refuse_unknown()
        inputs = self._inputs
        if from_released and bump != AUTO and self.last:
            inputs = replace(inputs, written=None)
        decision = decisions.decide(inputs, version=version, bump=bump)
        if decision.is_new:
            claims.refuse_taken(self.repository, self.form, decision.version)
        return decision

    def refuse_unknown(self) -> None:
        """Refuse to go by the tags where something tells that they are not all.

        Raises:
            UsageError: When a tag was meant as a higher version, or the history releases one that
                has no tag here.
        """
        self.form.refuse_misspelt(self._others, self.last[0] if self.last else None)
        remote = self.project.settings.promote.remote
        claims.refuse_untagged(self.repository, self.form, self.history, self.last, remote)

    @cached_property
    def _inputs(self) -> DecisionInputs:
        finals = [tag for version, tag in self.recent if not version.prerelease]
        since_final = self.changes_since(finals[-1] if finals else "")
        last_tag = self.last[1] if self.last else ""
        is_final = bool(finals) and finals[-1] == last_tag
        return DecisionInputs(
            rules=self.rules,
            released=[version for version, _ in self.recent],
            since_final=since_final,
            since_last=since_final if is_final else self.changes_since(last_tag),
            label=self.label,
            written=self.written,
            first=self.project.settings.versions.first,
            alike=() if self.tags else self.form.alike(self._others),
        )

    @cached_property
    def _others(self) -> set[str]:
        """The tags that HEAD reaches and that name no version."""
        return self.history.tags.keys() - set(self.tags)

    @cached_property
    def _paths(self) -> list[Path] | None:
        """The paths that count; None when every commit does."""
        settings = self.project.settings
        if settings.versions.paths:
            return [self._counted_path(path) for path in settings.versions.paths]
        whole = self.project.source_tree.resolve() == self.repository.root.resolve()
        return None if whole else [self.project.source_tree]

    def _counted_path(self, name: str) -> Path:
        """A path of `versions.paths`; a misspelt one would switch releases off in silence.

        Raises:
            UsageError: When it is outside the repository, or neither there nor in the history.
        """
        path = Path(os.path.normpath(self.project.root.resolve() / name))
        if not path.is_relative_to(self.repository.root.resolve()):
            raise UsageError(
                f"versions.paths: {name} is outside the repository {self.repository.root}",
                remedy="write a path in it, from the folder of towline.yaml",
            )
        if not os.path.lexists(path):
            words = ("log", "-1", "--format=%H", "HEAD", "--", str(path))
            if not self.repository.ask(*words).strip():
                raise UsageError(
                    f"versions.paths: {name} is neither in {self.project.root} nor in its history"
                    f"{self._nearest(name)}",
                    remedy="fix it in towline.yaml: no commit would count",
                )
        return path

    def _nearest(self, name: str) -> str:
        files = self.repository.files(self.project.root)
        known = {file[:place] for file in files for place in _folders(file)}
        close = difflib.get_close_matches(name.rstrip("/"), [*known, *files], n=1)
        return f"; did you mean {close[0]}?" if close else ""

    def _touching(self, since: str, paths: list[Path]) -> set[str]:
        known = self._touched.get(since)
        if known is None:
            known = self._touched[since] = log.touching(self.repository, since, paths)
        return known

    @cached_property
    def _touched(self) -> dict[str, set[str]]:
        return {}


def examine(project: Project, *, branch: str = "", reading: Reading | None = None) -> VersionState:
    """Read where a project stands.

    Args:
        project: The project.
        branch: Branch to take for the channel; the one that is checked out by default.
        reading: The history of the folder that it was started for.

    Raises:
        UsageError: When the project is in no Git repository, has no commit, or its history is
            cut off.
    """
    repository = repository_of(project)
    # Another folder may lie in another repository.
    is_ours = reading is not None and reading.folder == project.root
    history = log.read(repository, reading if is_ours else None)
    settings = project.settings.versions
    form = TagForm(settings.tag, tuple(settings.ignore_tags))
    return VersionState(project, repository, history, form, form.ordered(history.tags), branch)


def _folders(file: str) -> Iterator[int]:
    """Places after which a slash ends a folder of a path."""
    place = file.find("/")
    while place >= 0:
        yield place
        place = file.find("/", place + 1)


def repository_of(project: Project) -> Repository:
    """The repository of a project.

    Raises:
        UsageError: When it is in none.
    """
    repository = open_repository(project.root)
    if repository is None:
        raise UsageError(
            f"{project.root} is in no Git repository: versions come from commits and tags",
            remedy="git init, and make the first commit",
        )
    return repository


def files_of(project: Project) -> tuple[Path, list[VersionFile]]:
    """The version files, and the folder that their paths start from."""
    settings = project.settings
    if settings.versions.files:
        return project.root, settings.versions.files
    return project.source_tree, settings.promote.version_files


@contextmanager
def naming_key(project: Project) -> Iterator[None]:
    """Let errors about version files name the key that lists them."""
    try:
        yield
    except UsageError as error:
        if not project.settings.versions.files:
            raise
        own, usual = "versions.files", "promote.version_files"
        raise UsageError(
            error.message.replace(usual, own),
            remedy=error.remedy.replace(usual, own),
            details=error.details,
        ) from None
