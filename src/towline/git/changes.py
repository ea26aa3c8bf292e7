"""From commits to changes: what counts, what was taken back, what says nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from towline.git.commits import Message, parse
from towline.git.log import Commit
from towline.git.squash import listed

# What `git revert` writes; of a revert it writes Reapply (Git 2.43 on).
_REVERTED = re.compile(r"This reverts commit ([0-9a-f]{7,64})\b")
# GitHub adds the number of the pull request that reverts.
_NUMBER = re.compile(r" \([#!](\d+)\)$")
_GIT_SUBJECT = re.compile(r'(?:Revert|Reapply) "(.+)"(?: \([#!]\d+\))?')
# What GitHub's button writes into the pull request.
_REVERTS = re.compile(r"^Reverts (?:[\w.-]+/[\w.-]+)?[#!](\d+)\b", re.MULTILINE)
# The footer that the Conventional Commits specification recommends for reverts.
_SHA = re.compile(r"\b[0-9a-f]{7,64}\b")
# Subjects that Git and its hosts write by themselves: they say nothing about the change.
_PULL_REQUEST = re.compile(r"Merge pull request #(\d+)\b")
_MERGE = re.compile(r"Merge (?:(?:remote-tracking )?branch|pull request|tag|commit)\b")


class Change(NamedTuple):
    """One change, as a commit tells of it.

    Attributes:
        commit: The commit; a squash commit can tell of several changes.
        message: Its conventional message; None when it has none.
    """

    commit: Commit
    message: Message | None

    @property
    def title(self) -> str:
        """The change in one line."""
        return self.message.header if self.message else self.commit.subject


def changes(commits: Sequence[Commit], *, squash: bool = True) -> list[Change]:
    """What commits changed, in their order, without what was taken back within them.

    A revert and what it reverts cancel each other, and so does the revert of a revert. A revert
    of something older stays, as a change of type `revert`. Merges without a message of their own
    are left out.

    Args:
        commits: Newest first.
        squash: Let a squash commit without a conventional title stand for the commits it lists.
    """
    cancelled = taken_back(commits)
    if len(commits) == 1 and not cancelled:
        # What most releases of a long history are.
        return list(_changes_of(commits[0], squash=squash))
    return [
        change
        for commit in commits
        if commit.sha not in cancelled
        for change in _changes_of(commit, squash=squash)
    ]


def _changes_of(commit: Commit, *, squash: bool) -> Iterable[Change]:
    message = _message(commit)
    if message is not None:
        return [Change(commit, message)]
    inside = _inside(commit) if squash else []
    if any(_message(item) for item in inside):
        gone = taken_back(inside, renamed=True)
        left = [_message(item) for item in reversed(inside) if item.sha not in gone]
        return [Change(commit, item) for item in left if item is not None]
    if len(commit.parents) > 1 and _MERGE.match(commit.subject):
        return []
    return [Change(commit, None)]


def _message(commit: Commit) -> Message | None:
    """The conventional message of a commit, or what one by Git stands for."""
    message = parse(commit.message)
    by_git = None if message else _GIT_SUBJECT.fullmatch(commit.subject)
    if by_git is None:
        return message
    inner = parse(by_git[1])
    text = inner.description if inner else by_git[1]
    return Message("revert", inner.scope if inner else "", text)


def _inside(commit: Commit) -> list[Commit]:
    """The commits that a squash commit lists, newest first; those without a hash get a number."""
    return [
        Commit(item.sha or f"{place}", (), (), commit.date, commit.author, item.message)
        for place, item in enumerate(listed(commit.message))
    ]


def taken_back(commits: Sequence[Commit], *, renamed: bool = False) -> set[str]:
    """Hashes of the reverts and reverted commits that cancel each other.

    From the newest on: a revert that was itself reverted by then takes nothing back.

    Args:
        commits: Newest first.
        renamed: Whether hashes that reverts name may be gone, so that their subjects count.
    """
    # Most releases revert nothing, and a long history has many of them.
    if not any("evert" in commit.message for commit in commits):
        return set()
    known = _Lookup(commits)
    gone: set[str] = set()
    for place, commit in enumerate(commits):
        if commit.sha in gone:
            continue
        targets, whole = _reverted(commit, known, place)
        if renamed and not targets:
            targets, whole = _reverted_by_subject(commit, known, place), True
        gone |= targets
        if targets and whole:
            gone.add(commit.sha)
    return gone


def _reverted(commit: Commit, known: _Lookup, place: int) -> tuple[set[str], bool]:
    """Which of the known commits a commit takes back, and whether those are all it takes back."""
    message = parse(commit.message) if "evert" in commit.message else None
    by_git = _GIT_SUBJECT.fullmatch(commit.subject)
    if by_git is None and (message is None or message.type != "revert"):
        return set(), False
    named = _REVERTED.findall(commit.message)
    if message is not None:
        refs = (item.value for item in message.footers if item.token.lower() in ("refs", "reverts"))
        named += [sha for value in refs for sha in _SHA.findall(value)]
    found = [known.by_name(name) for name in named]
    if not named:
        found = [known.by_number(number) for number in _REVERTS.findall(commit.message)]
    if found:
        # A reverted merge is named by the merge: its branch's commits are taken back with it.
        return {sha for shas in found for sha in shas}, all(found)
    return _reverted_by_subject(commit, known, place), True


def _reverted_by_subject(commit: Commit, known: _Lookup, place: int) -> set[str]:
    by_git = _GIT_SUBJECT.fullmatch(commit.subject)
    message = parse(commit.message)
    if by_git is None and (message is None or message.type != "revert"):
        return set()
    subject = by_git[1] if by_git else (message.description if message else "")
    if by_git and commit.subject.startswith("Reapply"):
        subject = f'Revert "{subject}"'
    same = known.by_subject(subject, after=place)
    return {same} if same else set()


class _Lookup:
    """Finds commits by the start of their hash, or by their subject."""

    def __init__(self, commits: Sequence[Commit]) -> None:
        self._commits = commits
        self._by_sha = {commit.sha: commit for commit in commits}
        self._by_start: dict[str, list[Commit]] = {}
        self._places: dict[str, list[int]] = {}
        self._by_number: dict[str, Commit] = {}
        for place, commit in enumerate(commits):
            self._by_start.setdefault(commit.sha[:7], []).append(commit)
            number = _NUMBER.search(commit.subject) or _PULL_REQUEST.match(commit.subject)
            # Hosts add the number of the pull request; people and reverts leave it out.
            for subject in {commit.subject, _NUMBER.sub("", commit.subject)}:
                self._places.setdefault(subject, []).append(place)
            if number:
                self._by_number.setdefault(number[1], commit)

    def by_name(self, name: str) -> list[str]:
        """A commit, and what it merged; empty when it is not known."""
        for commit in self._by_start.get(name[:7], ()):
            if commit.sha.startswith(name):
                return [commit.sha, *self._merged(commit)]
        return []

    def by_number(self, number: str) -> list[str]:
        """The commit of a pull request, and what it merged; empty when it is not known."""
        commit = self._by_number.get(number)
        return [commit.sha, *self._merged(commit)] if commit else []

    def by_subject(self, subject: str, *, after: int) -> str | None:
        """The newest commit with a subject that is older than a place."""
        for text in (subject, _NUMBER.sub("", subject)):
            for place in self._places.get(text, ()):
                if place > after:
                    return self._commits[place].sha
        return None

    def _merged(self, merge: Commit) -> list[str]:
        """What a merge brought in: reached from its other parents and not from its first."""
        if len(merge.parents) < 2:
            return []
        return list(self._reach(merge.parents[1:]) - self._reach(merge.parents[:1]))

    def _reach(self, start: Sequence[str]) -> set[str]:
        reached: set[str] = set()
        queue = list(start)
        while queue:
            commit = self._by_sha.get(queue.pop())
            if commit is not None and commit.sha not in reached:
                reached.add(commit.sha)
                queue += commit.parents
        return reached
