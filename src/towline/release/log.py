"""The history that leads to HEAD, read in one pass of `git log`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from towline.errors import UsageError
from towline.release.repository import Repository

# Hash, parents, tags, committer's date, author, message: no field holds a NUL, and -z ends each
# commit with one, so that the answer is one flat list.
_FIELDS = ("%H", "%P", "%D", "%cs", "%an", "%B")
FORMAT = "--format=tformat:" + "%x00".join(_FIELDS)
_TAG = "tag: refs/tags/"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit.

    Attributes:
        sha: Its full hash.
        parents: Hashes; more than one for a merge, none for a root.
        tags: Names of the tags on it.
        date: Committer's date, `YYYY-MM-DD`.
        author: Name.
        message: The message as written.
    """

    sha: str
    parents: tuple[str, ...]
    tags: tuple[str, ...]
    date: str
    author: str
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.lstrip("\n").partition("\n")[0].strip()


@dataclass(frozen=True)
class History:
    """All commits that HEAD reaches, newest first."""

    commits: Sequence[Commit]

    @cached_property
    def tags(self) -> Mapping[str, Commit]:
        """Every tag that HEAD reaches."""
        return {tag: commit for commit in self.commits for tag in commit.tags}

    def find(self, sha: str) -> Commit | None:
        """A commit of this history by its full hash."""
        return next((commit for commit in self.commits if commit.sha == sha), None)

    def since(self, sha: str) -> list[Commit]:
        """Commits that a commit does not reach, newest first; all of them for an empty hash."""
        if not sha:
            return list(self.commits)
        known = self._reached((sha,))
        return [commit for commit in self.commits if commit.sha not in known]

    def segments(self, shas: Sequence[str]) -> Iterator[list[Commit]]:
        """Split the history at releases, oldest first: what each reaches and none before it.

        One walk of the history for all of them, however many there are.
        """
        known: set[str] = set()
        order = {commit.sha: place for place, commit in enumerate(self.commits)}
        for sha in shas:
            new = self._reached((sha,), beyond=known)
            known |= new
            yield [self.commits[place] for place in sorted(order[item] for item in new)]

    def _reached(self, start: Iterable[str], *, beyond: set[str] | None = None) -> set[str]:
        known: set[str] = set()
        before = beyond or set()
        queue = list(start)
        while queue:
            sha = queue.pop()
            if sha in known or sha in before or sha not in self._parents:
                continue
            known.add(sha)
            queue += self._parents[sha]
        return known

    @cached_property
    def _parents(self) -> Mapping[str, tuple[str, ...]]:
        return {commit.sha: commit.parents for commit in self.commits}


def read(repository: Repository) -> History:
    """Read the history that leads to HEAD.

    Raises:
        UsageError: When there is no commit yet, or the history is cut off (a shallow clone).
    """
    if not repository.head():
        raise UsageError(
            f"{repository.root}: there is no commit yet", remedy="make the first: git commit"
        )
    if repository.is_shallow():
        raise UsageError(
            f"{repository.root} is a shallow clone: its tags and commits are cut off",
            remedy="git fetch --unshallow --tags; in GitHub Actions: actions/checkout with "
            "fetch-depth: 0",
        )
    text = repository.ask(
        *("log", "-z", "--decorate=full", "--decorate-refs=refs/tags/", "--encoding=UTF-8"),
        *("--no-show-signature", "--no-color", FORMAT, "HEAD"),
    )
    if not text.isascii():
        # GitPython keeps bytes that are no UTF-8 as surrogates, which no terminal takes.
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return History(list(_commits(text.split("\0"))))


def touching(repository: Repository, since: str, paths: Iterable[Path]) -> set[str]:
    """Hashes of the commits after `since` that touch one of these paths.

    A merge counts when it brought a change in, so that its message can speak for a branch of
    unconventional commits.

    Args:
        repository: The repository.
        since: Hash of the commit before; empty for the whole history.
        paths: Files and folders.
    """
    names = [str(path) for path in paths]
    span = f"{since}..HEAD" if since else "HEAD"
    text = repository.ask("rev-list", "--full-history", "--show-pulls", span, "--", *names)
    return set(text.split())


def _commits(fields: Sequence[str]) -> Iterator[Commit]:
    width = len(_FIELDS)
    for start in range(0, len(fields) - width + 1, width):
        sha, parents, tags, date, author, message = fields[start : start + width]
        yield Commit(sha, tuple(parents.split()), _tags(tags), date, author, message)


def _tags(decoration: str) -> tuple[str, ...]:
    if not decoration:
        return ()
    return tuple(name.removeprefix(_TAG) for name in decoration.split(", "))
