"""What is known to be released though no tag that HEAD reaches says so.

A clone without its tags, or a tag on another branch, must not lead to a version that exists.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from semver import Version

from towline.errors import UsageError
from towline.release.changes import taken_back
from towline.release.log import Commit
from towline.release.publishing import quiet_environment
from towline.release.remote import redacted
from towline.release.repository import Repository
from towline.release.tags import TagForm
from towline.release.version import order_key, parse

if TYPE_CHECKING:
    from towline.release.standing import Standing

# As `release_commit` writes it, and what hosts and other tools put behind it.
_SUBJECT = re.compile(r"chore\(release\): (?P<tag>\S+)(?: \([#!]\d+\)| \[[^\]]*\])*")
_SECONDS = 30


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


def refuse_untagged(standing: Standing) -> None:
    """Refuse to decide where the history releases a version that has no tag here.

    Raises:
        UsageError: When there is one above the last version.
    """
    found = _untagged(standing)
    if found is None:
        return
    version, commit = found
    tag, short = standing.form.tag(version), commit.sha[:9]
    remote = standing.project.settings.promote.remote
    raise UsageError(
        f"commit {short} released {version} ({commit.subject}), but there is no tag {tag} here",
        remedy=f"get the tags: git fetch {remote} --tags; if it never had one: "
        f"git tag -a {tag} -m {tag} {short}",
    )


def refuse_taken(standing: Standing, version: str) -> None:
    """Refuse a version whose tag is there, on a commit that HEAD does not reach.

    Raises:
        UsageError: When it is.
    """
    tag = standing.form.tag(version)
    if standing.repository.has_tag(tag):
        raise UsageError(
            f"the tag {tag} exists already, on a commit that HEAD does not reach",
            remedy="merge that commit, or ask for another --version",
        )


def ask_remote(standing: Standing, version: str) -> str:
    """Refuse a version that the remote knows as released, or knows a higher one that we do not.

    Args:
        standing: Where the project stands.
        version: What is about to be released.

    Returns:
        Why the remote could not be asked; empty when it was, or when there is none.

    Raises:
        UsageError: When it has such a tag.
    """
    repository, name = standing.repository, standing.project.settings.promote.remote
    if not repository.remote(name):
        return ""
    try:
        done = subprocess.run(
            ["git", "ls-remote", "--tags", "--refs", "--", name],
            cwd=repository.root,
            env=quiet_environment(repository),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{name} did not answer within {_SECONDS} s"
    if done.returncode:
        said = redacted(done.stderr.strip()).splitlines()
        return f"{name} could not be asked for its tags: {said[0] if said else 'no reason given'}"
    there = [line.partition("refs/tags/")[2] for line in done.stdout.splitlines()]
    _refuse_unknown(standing.form, repository, there, version, name)
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


def _untagged(standing: Standing) -> tuple[Version, Commit] | None:
    last = standing.last
    commits = standing.history.since(standing.history.tags[last[1]] if last else "")
    claims = [
        (version, commit)
        for commit in commits
        if (version := released_by(commit.subject, standing.form))
        and (last is None or version > last[0])
        and not standing.repository.has_tag(standing.form.tag(version))
    ]
    if not claims:
        return None
    gone = taken_back(commits)
    claims = [claim for claim in claims if claim[1].sha not in gone]
    return max(claims, key=lambda claim: order_key(claim[0]), default=None)
