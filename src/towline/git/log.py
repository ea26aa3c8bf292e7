"""The history that leads to HEAD, read in one pass of `git log`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from towline.errors import UsageError
from towline.git.process import Answer, failed, run_git
from towline.git.repository import Repository

# Hash, parents, tags, time of the commit, author, message: no field holds a NUL, and -z ends each
# commit with one, so that the answer is one flat list.
_FIELDS = ("%H", "%P", "%D", "%ct", "%an", "%B")
FORMAT = "--format=tformat:" + "%x00".join(_FIELDS)
_LOG = (
    *("log", "-z", "--date-order", "--decorate=full", "--decorate-refs=refs/tags/"),
    *("--encoding=UTF-8", "--no-show-signature", "--no-color", FORMAT, "HEAD"),
)
_TAG = "tag: refs/tags/"
_A_DAY = 24 * 60 * 60


class Commit(NamedTuple):
    """One commit.

    Attributes:
        sha: Its full hash.
        parents: Hashes; more than one for a merge, none for a root.
        tags: Names of the tags on it.
        date: When it was committed, `YYYY-MM-DD` in UTC.
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


class History:
    """All commits that HEAD reaches, newest first, and none before one that it is a parent of.

    It keeps the columns that Git printed; a commit is made of them when somebody asks for it,
    as most of 27,000 are only walked past.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        """Take the fields of all commits, one after the other, as `FORMAT` prints them."""
        width = len(_FIELDS)
        whole = len(fields) // width * width
        columns = [fields[at:whole:width] for at in range(width)]
        self._shas, self._parents, self._tags, self._dates, self._authors, self._messages = columns

    def __len__(self) -> int:
        return len(self._shas)

    def __getitem__(self, place: int) -> Commit:
        return Commit(
            self._shas[place],
            tuple(self._parents[place].split()),
            _tags(self._tags[place]) if self._tags[place] else (),
            _day(self._dates[place]),
            self._authors[place],
            self._messages[place],
        )

    @cached_property
    def tags(self) -> Mapping[str, str]:
        """Every tag that HEAD reaches -> hash of its commit."""
        found: dict[str, str] = {}
        for names, sha in zip(self._tags, self._shas, strict=True):
            if ", " in names:
                found.update(dict.fromkeys(_tags(names), sha))
            elif names:
                found[names.removeprefix(_TAG)] = sha
        return found

    def find(self, sha: str) -> Commit | None:
        """A commit of this history by its full hash."""
        place = self._places.get(sha)
        return None if place is None else self[place]

    def date(self, sha: str) -> str:
        """When a commit of this history was made; empty for one that is not in it."""
        place = self._places.get(sha)
        return "" if place is None else _day(self._dates[place])

    def since(self, sha: str) -> list[Commit]:
        """Commits that a commit does not reach, newest first; all of them for an empty hash."""
        return [self[place] for place in self._unreached(sha)]

    def segments(self, shas: Iterable[str]) -> Iterator[list[Commit]]:
        """Split the history at releases, oldest first: what each reaches and none before it.

        One walk of the history for all of them, however many there are.
        """
        known: set[str] = set()
        for sha in shas:
            new = self._reached(sha, known)
            known |= new
            yield [self[place] for place in sorted(self._places[item] for item in new)]

    def _unreached(self, sha: str) -> Iterator[int]:
        """Places of the commits that a commit does not reach.

        As no parent comes before its children, the walk can end long before the history does:
        where no commit that is still to come has an unreached child.
        """
        reached = {sha}
        waiting = set(self._shas[:1]) - reached
        for place, item in enumerate(self._shas):
            if not waiting:
                return
            waiting.discard(item)
            parents = self._parents[place].split()
            if item in reached:
                reached.update(parents)
                waiting.difference_update(parents)
            else:
                yield place
                waiting.update(parent for parent in parents if parent not in reached)

    def _reached(self, start: str, before: set[str]) -> set[str]:
        """What a commit reaches, without going on from what is known."""
        parents = self._parents_of
        known: set[str] = set()
        queue = [start]
        while queue:
            sha = queue.pop()
            if sha in known or sha in before or sha not in parents:
                continue
            known.add(sha)
            above = parents[sha]
            # Most commits have one parent, and splitting takes longer than looking.
            queue += above.split() if " " in above else (above,)
        return known

    @cached_property
    def _parents_of(self) -> Mapping[str, str]:
        return dict(zip(self._shas, self._parents, strict=True))

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {sha: place for place, sha in enumerate(self._shas)}


class Reading:
    """The history of a folder, which Git prints while Python still loads what is to read it.

    When nobody asks for it after all, Git ends with this process: nothing reads what it prints.
    """

    def __init__(self, folder: Path) -> None:
        """Start Git."""
        self.folder = folder
        self._answer: Answer | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def answer(self) -> Answer | None:
        """What Git printed, once it is done; None when it could not be started."""
        self._thread.join()
        return self._answer

    def _run(self) -> None:
        # Whoever asks Git next says why it cannot be.
        with suppress(OSError):
            self._answer = run_git(self.folder, *_LOG)


def read(repository: Repository, reading: Reading | None = None) -> History:
    """Read the history that leads to HEAD.

    Args:
        repository: The repository.
        reading: The same history, where it was asked for already.

    Raises:
        UsageError: When there is no commit yet, or the history is cut off (a shallow clone).
    """
    answer = (reading and reading.answer()) or run_git(repository.root, *_LOG)
    if answer.code and not repository.head():
        raise UsageError(
            f"{repository.root}: there is no commit yet", remedy="make the first: git commit"
        )
    if repository.is_shallow():
        raise UsageError(
            f"{repository.root} is a shallow clone: its tags and commits are cut off",
            remedy="git fetch --unshallow --tags; in GitHub Actions: actions/checkout with "
            "fetch-depth: 0",
        )
    if answer.code:
        raise failed(_LOG, answer)
    return History(answer.data.decode("utf-8", "replace").split("\0"))


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
    words = ("rev-list", "--full-history", "--show-pulls", "--end-of-options", span)
    text = repository.ask(*words, "--", *names)
    return set(text.split())


def _tags(decoration: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(_TAG) for name in decoration.split(", "))


def _day(seconds: str) -> str:
    """The day of a time: in UTC, so that it does not depend on where somebody sat."""
    return _date(int(seconds) // _A_DAY)


@cache
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * _A_DAY, UTC).date().isoformat()
