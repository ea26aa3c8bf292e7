"""Which version a promotion gives the deploy tree."""

from __future__ import annotations

from dataclasses import replace

from semver import Version

from towline.config.loading import Project
from towline.release import channels, log
from towline.release.changes import Change, changes
from towline.release.decision import AUTO, FIRST, Decision, Scene, decide
from towline.release.manifest import Manifest
from towline.release.repository import Repository
from towline.release.rules import Rules
from towline.release.version import parse


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
    with uncommitted changes, or when the history was rewritten), it raises the patch.

    Args:
        project: The project.
        repository: Its repository; None outside Git.
        last: The last promotion; None before the first.
        written: Version in the version files; None when there are none.
        changed: Whether the tree differs from the last promotion.
        uncommitted: Whether some of that is not committed.
        version: Version that was asked for.
        bump: Part to raise that was asked for.

    Raises:
        UsageError: As `decision.decide`, and when the history is cut off.
    """
    settings = project.settings.versions
    before = parse(last.version) if last else None
    scene = Scene(
        rules=Rules.of(settings),
        released=[before] if before else [],
        written=parse(written) if written else None,
        first=settings.first or FIRST,
    )
    if before is not None and not changed and version and parse(version) == before:
        return _same(before)
    if version or bump != AUTO:
        return decide(scene, version=version, bump=bump)
    if before is None or last is None:
        start = scene.written or parse(scene.first)
        return Decision(str(start), "", "none", "the first promotion")
    if not changed:
        higher = scene.written is not None and scene.written > before
        return decide(scene) if higher else _same(before)
    told = _told(project, repository, last)
    if repository is not None:
        scene = replace(scene, label=channels.label(settings.channels, repository))
    decision = decide(replace(scene, since_final=told, since_last=told))
    if decision.is_new or (told and not uncommitted):
        return decision
    part = "prerelease" if before.prerelease else "patch"
    raised = decide(scene, bump=part)
    return replace(raised, part="patch", why="no commit tells what changed", changes=tuple(told))


def _same(version: Version) -> Decision:
    return Decision(str(version), str(version), "none", "nothing changed")


def _told(project: Project, repository: Repository | None, last: Manifest) -> list[Change]:
    """What commits tell of the two trees since the last promotion, newest first."""
    if repository is None or not last.commit:
        return []
    history = log.read(repository)
    if history.find(last.commit) is None:
        return []
    commits = history.since(last.commit)
    if commits:
        paths = [project.source_tree, project.deploy_tree]
        touching = log.touching(repository, last.commit, paths)
        commits = [commit for commit in commits if commit.sha in touching]
    # Promotions, and releases of the project itself, are no changes.
    commits = [item for item in commits if not item.subject.startswith("chore(release): ")]
    return changes(commits, squash=project.settings.versions.squash)
