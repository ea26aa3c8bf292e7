"""Sections made from commit messages, for the tests of the changelog."""

from collections.abc import Sequence
from hashlib import sha1

from towline.changelog.changelog import Section
from towline.git.changes import Change, changes
from towline.git.log import Commit

URL = "https://example.org/shop"


def sha(message: str) -> str:
    """The hash that `commit` gives a message."""
    return sha1(message.encode(), usedforsecurity=False).hexdigest()


def short(message: str) -> str:
    """The same as entries show it."""
    return sha(message)[:7]


def commit(message: str) -> Commit:
    """A commit."""
    return Commit(sha(message), ("p",), (), "2026-11-21", "Ann", message)


def told(messages: Sequence[str]) -> list[Change]:
    """What commits tell, given oldest first, as history has it: newest first."""
    return changes([commit(message) for message in reversed(messages)])


def section(version: str, *messages: str, previous: str = "") -> Section:
    """A section; messages are given oldest first."""
    tag = f"v{version}" if version else ""
    date = "2026-11-21" if version else ""
    return Section(version, tag, date, f"v{previous}" if previous else "", told(messages))
