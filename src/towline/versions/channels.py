"""Which branch makes which versions: final ones, or prereleases of a label."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase

from towline.errors import UsageError
from towline.git.repository import Repository


def label(channels: Mapping[str, str], repository: Repository, *, branch: str = "") -> str | None:
    """The label of the branch's channel; empty for final versions, None without channels.

    Args:
        channels: Branch or pattern -> label; `versions.channels`. An exact name wins.
        repository: Where to look which branch is checked out.
        branch: Branch to take instead.

    Raises:
        UsageError: When the branch is not known, or has no channel.
    """
    if not channels:
        return None
    name = branch or repository.branch() or _named_by_workflow()
    if not name:
        raise UsageError(
            f"{repository.root}: HEAD is detached, and versions.channels goes by the branch",
            remedy="name the branch: --branch main; or check one out: git switch main",
        )
    if name in channels:
        return channels[name]
    for pattern, found in channels.items():
        if fnmatchcase(name, pattern):
            return found
    raise UsageError(
        f"the branch {name} makes no versions: versions.channels of towline.yaml does not name it",
        remedy=f"add it there, or name another with --branch: {', '.join(channels)}",
    )


def _named_by_workflow() -> str:
    """The branch that a workflow runs for: runners check out a commit, not a branch."""
    environ = os.environ
    if environ.get("GITHUB_REF_TYPE") == "branch":
        return environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_REF_NAME", "")
    return environ.get("CI_COMMIT_BRANCH", "")
