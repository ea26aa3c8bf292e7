"""Changes as the entries of a changelog, sorted under headings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from towline.changelog import inline
from towline.git.changes import Change
from towline.git.commits import Message

BREAKING = "Breaking"
HEADINGS: Mapping[str, str] = {
    "feat": "Added",
    "fix": "Fixed",
    "perf": "Changed",
    "revert": "Removed",
    "security": "Security",
    "deprecate": "Deprecated",
}
# The order of https://keepachangelog.com/en/1.1.0/.
_ORDER = (BREAKING, "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
_SHORT = 7


class Entry(NamedTuple):
    """One entry.

    Attributes:
        scope: The part of the code, as Markdown; empty for none.
        text: What changed, in one line of Markdown.
        commits: Full hashes, oldest first.
        items: What is listed below it, each in one line of Markdown.
    """

    scope: str
    text: str
    commits: list[str]
    items: tuple[str, ...] = ()

    def lines(self, url: str, bullet: str = "-") -> list[str]:
        """The entry as a list item, without line ends.

        Args:
            url: Web address of the repository; empty for hashes without links.
            bullet: Sign of the list.
        """
        scope = f"**{self.scope}**: " if self.scope else ""
        if url:
            names = [f"[{sha[:_SHORT]}]({url}/commit/{sha})" for sha in self.commits]
        else:
            names = [sha[:_SHORT] for sha in self.commits]
        first = f"{bullet} {scope}{self.text} ({', '.join(names)})"
        return [first, *(f"  {bullet} {item}" for item in self.items)]


Groups = Mapping[str, Sequence[Entry]]


def group(changes: Sequence[Change], headings: Mapping[str, str]) -> Groups:
    """Sort changes under their headings: Breaking first, then in Keep a Changelog's order.

    Under a heading the oldest comes first, whatever its scope. What breaks is told under Breaking,
    and a second time in its own place when its footer says something else than its description.
    Changes that say the same are one entry.

    Args:
        changes: Newest first.
        headings: Commit type -> heading; other types are left out unless they break something.
    """
    found: dict[str, dict[tuple[str, str], Entry]] = {}
    for change in _oldest_first(changes):
        message = change.message
        if message is None or not (message.type in headings or message.breaking):
            continue
        scope = inline.label(message.scope) if message.scope else ""
        for heading, told in _entries_of(message, headings):
            before, listed = inline.split_list(told)
            text = inline.sentence(before or message.description, starts=not scope)
            items = tuple(inline.sentence(item, starts=True) for item in listed)
            entries = found.setdefault(heading, {})
            key = (scope.casefold(), plain(" ".join((text, *items))))
            entry = entries.setdefault(key, Entry(scope, text, [], items))
            if change.commit.sha not in entry.commits:
                entry.commits.append(change.commit.sha)
    if len(found) < 2:
        return {name: list(entries.values()) for name, entries in found.items()}
    rank = ranks(headings)
    return {name: list(found[name].values()) for name in sorted(found, key=rank.__getitem__)}


def lines(groups: Groups, *, level: int, url: str, newline: str) -> list[str]:
    """Groups as lines with their ends, a heading above each.

    Args:
        groups: What to write.
        level: Of the headings.
        url: Web address of the repository; empty for hashes without links.
        newline: End of a line.
    """
    found: list[str] = []
    for heading, entries in groups.items():
        found += [newline] if found else []
        found += [f"{'#' * level} {inline.heading(heading)}{newline}", newline]
        found += [line + newline for entry in entries for line in entry.lines(url)]
    return found


def ranks(headings: Mapping[str, str]) -> dict[str, int]:
    """Heading -> its place in a section; headings of a project's own come last."""
    names = dict.fromkeys((*_ORDER, *filter(None, headings.values())))
    return {name: place for place, name in enumerate(names)}


def plain(text: str) -> str:
    """A text reduced to what tells entries apart."""
    return " ".join(text.replace("**", "").casefold().split()).rstrip(".")


def _oldest_first(changes: Sequence[Change]) -> Iterator[Change]:
    """The other way round; but what one squash commit lists stays in its order."""
    if len({item.commit.sha for item in changes}) == len(changes):
        yield from reversed(changes)
        return
    commits = [list(told) for _, told in groupby(changes, key=lambda item: item.commit.sha)]
    for told in reversed(commits):
        yield from told


def _entries_of(message: Message, headings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is told of a change: heading and text."""
    notes = [note or message.description for note in message.notes]
    for note in notes:
        yield BREAKING, note
    heading = headings.get(message.type, "")
    if heading and message.description not in notes:
        yield heading, message.description
