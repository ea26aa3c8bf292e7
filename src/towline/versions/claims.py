"""What is known to be released though no tag that HEAD reaches says so.

A clone without its tags, or a tag on another branch, must not lead to a version that exists.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from semver import Version

from towline.errors import UsageError
from towline.git.changes import taken_back
from towline.git.log import Commit, History
from towline.git.process import GitTimedOut, run_git
from towline.git.publishing import quiet_environment
from towline.git.remote import redacted
from towline.git.repository import Repository
from towline.versions.tags import TagForm
from towline.versions.version import order_key, parse

# As `release_commit` writes it, and what hosts and other tools put behind it.
_SUBJECT = re.compile(r"chore\(release\): (?P<tag>\S+)(?: \([#!]\d+\)| \[[^\]]*\])*")
_SECONDS = 30

Last: TypeAlias = tuple[Version, str] | None


def released_by(subject: str, form: TagForm) -> Version | None:
    """The version that a commit releases by its subject; None for every other commit."""
    found = _SUBJECT.fullmatch(subject)
    if found is None:
        return None
    version = form.version(found["tag"])
    if version is not None:
        return version
    try:
        return parse(found["tag"])
    except UsageError:
        return None


def refuse_untagged(
    repository: Repository, form: TagForm, history: History, last: Last, remote: str
) -> None:
    """Refuse to decide where the history releases a version that has no tag here.

    Args:
        repository: The repository.
        form: The form of its version tags.
        history: What leads to HEAD.
        last: The newest version whose tag HEAD reaches, and that tag.
        remote: The remote to get missing tags from.

    Raises:
        UsageError: When there is one above the last version.
    """
    found = _untagged(repository, form, history, last)
    if found is None:
        return
    version, commit = found
    tag, short = form.tag(version), commit.sha[:9]
    raise UsageError(
        f"commit {short} released {version} ({commit.subject}), but there is no tag {tag} here",
        remedy=f"get the tags: git fetch {remote} --tags; if it never had one: "
        f"git tag -a {tag} -m {tag} {short}",
    )


def refuse_taken(repository: Repository, form: TagForm, version: str) -> None:
    """Refuse a version whose tag is there, on a commit that HEAD does not reach.

    Raises:
        UsageError: When it is.
    """
    tag = form.tag(version)
    if repository.has_tag(tag):
        raise UsageError(
            f"the tag {tag} exists already, on a commit that HEAD does not reach",
            remedy="merge that commit, or ask for another --version",
        )


def ask_remote(repository: Repository, form: TagForm, version: str, name: str) -> str:
    """Refuse a version that the remote knows as released, or knows a higher one that we do not.

    Args:
        repository: The repository.
        form: The form of its version tags.
        version: What is about to be released.
        name: The remote.

    Returns:
        Why the remote could not be asked; empty when it was, or when there is none.

    Raises:
        UsageError: When it has such a tag.
    """
    if not repository.remote(name):
        return ""
    try:
        answer = run_git(
            repository.root,
            "ls-remote", "--tags", "--refs", "--", name,
            env=quiet_environment(repository),
            timeout=_SECONDS,
        )  # fmt: skip
    except GitTimedOut:
        return f"{name} did not answer within {_SECONDS} s"
    if answer.code:
        return f"{name} could not be asked for its tags: {redacted(answer.reasons[0])}"
    there = [line.partition("refs/tags/")[2] for line in answer.text.splitlines()]
    _refuse_unknown(form, repository, there, version, name)
    return ""


def _refuse_unknown(
    form: TagForm, repository: Repository, there: list[str], version: str, remote: str
) -> None:
    here = set(repository.tags())
    unknown = [tag for tag in form.ordered(there) if tag not in here]
    chosen = order_key(parse(version))
    above = [tag for tag in unknown if (found := form.version(tag)) and order_key(found) >= chosen]
    if above:
        raise UsageError(
            f"{remote} has the tag {above[0]}, which is not here: {version} may have been released",
            remedy=f"git fetch {remote} --tags, and run this again",
        )


def _untagged(
    repository: Repository, form: TagForm, history: History, last: Last
) -> tuple[Version, Commit] | None:
    commits = history.since(history.tags[last[1]] if last else "")
    claims = [
        (version, commit)
        for commit in commits
        if (version := released_by(commit.subject, form))
        and (last is None or version > last[0])
        and not repository.has_tag(form.tag(version))
    ]
    if not claims:
        return None
    gone = taken_back(commits)
    claims = [claim for claim in claims if claim[1].sha not in gone]
    return max(claims, key=lambda claim: order_key(claim[0]), default=None)
