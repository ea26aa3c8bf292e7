"""Which version a promotion gives the deploy tree."""

from __future__ import annotations

from dataclasses import replace

from semver import Version

from towline.config.loading import Project
from towline.git import log
from towline.git.changes import Change, changes
from towline.git.repository import Repository
from towline.promotion.manifest import Manifest
from towline.versions.decision import AUTO, FIRST, Decision, DecisionInputs, decide
from towline.versions.rules import Rules
from towline.versions.version import parse
from towline.versions.version_state import VersionState, examine


def promotion_version(
    project: Project,
    repository: Repository | None,
    last: Manifest | None,
    written: str | None,
    *,
    changed: bool,
    uncommitted: bool,
    version: str = "",
    bump: str = AUTO,
) -> Decision:
    """Decide on the version of a promotion; see `decision.decide`.

    The commits since the last promotion decide. Where no commit tells of a change (outside Git,
    with uncommitted changes, or when the history was rewritten), it bumps the patch. Where tags
    know a higher version than the last promotion, or there was none, they decide as for
    `inv version.next`.

    Args:
        project: The project.
        repository: Its repository; None outside Git.
        last: The last promotion; None before the first.
        written: Version in the version files; None when there are none.
        changed: Whether the tree differs from the last promotion.
        uncommitted: Whether some of that is not committed.
        version: Version that was asked for.
        bump: Part to bump that was asked for.

    Raises:
        UsageError: As `decision.decide`, and when the history is cut off.
    """
    settings = project.settings.versions
    before = parse(last.version) if last else None
    inputs = DecisionInputs(
        rules=Rules.of(settings),
        released=[before] if before else [],
        written=parse(written) if written else None,
        first=settings.first or FIRST,
    )
    if before is not None and not changed and version and parse(version) == before:
        return _same(before)
    if version:
        return decide(inputs, version=version, bump=bump)
    if before is not None and not changed and bump == AUTO:
        higher = inputs.written is not None and inputs.written > before
        return decide(inputs) if higher else _same(before)
    version_state = _version_state(project, repository)
    tagged = version_state.last[0] if version_state and version_state.last else None
    if version_state is not None and tagged is not None and (before is None or tagged > before):
        return _by_tags(version_state, last, bump, uncommitted=uncommitted)
    if bump != AUTO:
        return decide(inputs, bump=bump)
    if before is None or last is None:
        start = inputs.written or parse(inputs.first)
        return Decision(str(start), "", "none", "the first promotion")
    return _by_commits(project, version_state, last, inputs, uncommitted=uncommitted)


def _by_tags(
    version_state: VersionState, last: Manifest | None, bump: str, *, uncommitted: bool
) -> Decision:
    """What `inv version.next` says; the version that is tagged, when it says that none comes."""
    found = version_state.decide(bump=bump)
    if not found.is_new and uncommitted:
        bumped = version_state.decide(bump="patch")
        found = replace(bumped, part="patch", why="no commit tells what changed")
    tag = version_state.last[1] if version_state.last else ""
    why = found.why if found.is_new else f"the tag {tag} says so; {found.why}"
    return replace(found, previous=last.version if last else "", why=why)


def _by_commits(
    project: Project,
    version_state: VersionState | None,
    last: Manifest,
    inputs: DecisionInputs,
    *,
    uncommitted: bool,
) -> Decision:
    """By what changed since the last promotion."""
    told = _changes_since(project, version_state, last)
    if version_state is not None:
        inputs = replace(inputs, label=version_state.label)
    decision = decide(replace(inputs, since_final=told, since_last=told))
    if decision.is_new or (told and not uncommitted):
        return decision
    before = parse(last.version)
    part = "prerelease" if before.prerelease else "patch"
    bumped = decide(inputs, bump=part)
    return replace(bumped, part="patch", why="no commit tells what changed", changes=tuple(told))


def _version_state(project: Project, repository: Repository | None) -> VersionState | None:
    """Where the versions stand by commits and tags; None outside Git, or before a commit.

    Raises:
        UsageError: When the history is cut off, or its tags cannot be all.
    """
    if repository is None or not repository.head():
        return None
    version_state = examine(project)
    version_state.refuse_unknown()
    return version_state


def _same(version: Version) -> Decision:
    return Decision(str(version), str(version), "none", "nothing changed")


def _changes_since(
    project: Project, version_state: VersionState | None, last: Manifest
) -> list[Change]:
    """What commits tell of the two trees since the last promotion, newest first."""
    if version_state is None or not last.commit or version_state.history.find(last.commit) is None:
        return []
    commits = version_state.history.since(last.commit)
    if commits:
        paths = [project.source_tree, project.deploy_tree]
        touching = log.touching(version_state.repository, last.commit, paths)
        commits = [commit for commit in commits if commit.sha in touching]
    # Promotions, and releases of the project itself, are no changes.
    commits = [item for item in commits if not item.subject.startswith("chore(release): ")]
    return changes(commits, squash=project.settings.versions.squash)
