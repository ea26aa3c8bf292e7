"""Entries put among what people wrote in a section, without doubling and without touching it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from towline.changelog.entries import Entry, Groups, lines, plain
from towline.changelog.file import places
from towline.changelog.text import Heading, is_blank, outline

_HASH = re.compile(r"\b[0-9a-f]{7,64}\b")
_START = 7
_ITEM = re.compile(r"[ \t]*([-+*])[ \t]+")


@dataclass(frozen=True)
class Writing:
    """How entries are written.

    Attributes:
        ranks: Heading -> its place in a section.
        level: Of the headings in a section that has none yet.
        url: Web address of the repository; empty for hashes without links.
        newline: End of a line.
    """

    ranks: Mapping[str, int]
    level: int
    url: str
    newline: str


def merge(body: Sequence[str], groups: Groups, writing: Writing) -> list[str]:
    """The lines of a section with the entries that it lacks.

    They come after what people wrote under the same heading. A heading that is missing comes in
    Keep a Changelog's order. Where a text ends inside a code fence, they come before it.
    """
    groups = _missing(body, groups)
    if not groups:
        return list(body)
    made = lines(groups, level=writing.level, url=writing.url, newline=writing.newline)
    if not body:
        return [writing.newline, *made]
    found = outline(body)
    if found.is_open:
        return [writing.newline, *made, writing.newline, *body]
    top = min((item.level for item in found.headings), default=writing.level)
    subs = [item for item in found.headings if item.level == top]
    by_name = {item.text.casefold(): item for item in reversed(subs)}
    stops = _stops(body, found.headings)
    entries: dict[int, list[str]] = {}
    new: dict[str, Sequence[Entry]] = {}
    for name, items in groups.items():
        sub = by_name.get(name.casefold())
        if sub is None:
            new[name] = items
        else:
            stop = stops[sub.start]
            entries.setdefault(stop, []).extend(_appended(body[sub.end : stop], items, writing))
    ranks = {name.casefold(): rank for name, rank in writing.ranks.items()}
    whole = _new(body, subs, new, ranks)
    blocks = {
        place: lines(part, level=top, url=writing.url, newline=writing.newline)
        for place, part in whole.items()
    }
    return list(_woven(body, entries, blocks, writing.newline))


def _missing(body: Sequence[str], groups: Groups) -> Groups:
    """The entries that neither a hash nor a text of the section tells of."""
    if all(map(is_blank, body)):
        return groups
    starts: dict[str, list[str]] = {}
    for name in _HASH.findall("".join(body)):
        starts.setdefault(name[:_START], []).append(name)
    told = set(_items(body))

    def is_there(entry: Entry) -> bool:
        if plain(entry.text) in told or plain(f"{entry.scope}: {entry.text}") in told:
            return True
        return any(sha.startswith(tuple(starts.get(sha[:_START], ()))) for sha in entry.commits)

    left = {name: [item for item in items if not is_there(item)] for name, items in groups.items()}
    return {name: items for name, items in left.items() if items}


def _items(body: Sequence[str]) -> Iterator[str]:
    """The texts of list items, without the hashes at their end."""
    item: list[str] = []
    for line in (*body, ""):
        start = _ITEM.match(line)
        if start or is_blank(line) or line.startswith("#"):
            if item:
                yield plain(_without_hashes(" ".join(item)))
            item = [line[start.end() :]] if start else []
        elif item:
            item.append(line)


def _without_hashes(text: str) -> str:
    text = text.rstrip()
    before, space, names = text.rpartition(" (")
    # A list of several hashes holds spaces as well, but no other bracket behind one.
    if space and names.endswith(")") and _HASH.match(names.lstrip("[")):
        return before
    return text


def _stops(body: Sequence[str], headings: Sequence[Heading]) -> dict[int, int]:
    """Where the text right below each heading ends, by the heading's line; without blank lines."""
    stops: dict[int, int] = {}
    end = len(body)
    for item in reversed(headings):
        stops[item.start] = _trimmed(body, item.end, end)
        end = item.start
    return stops


def _trimmed(body: Sequence[str], start: int, end: int) -> int:
    while end > start and is_blank(body[end - 1]):
        end -= 1
    return end


def _appended(above: Sequence[str], items: Sequence[Entry], writing: Writing) -> Iterator[str]:
    """Entries as lines that go on with the list above them, or start one."""
    start = len(above)
    while start and not is_blank(above[start - 1]):
        start -= 1
    block = above[start:]
    is_list = bool(block) and (_ITEM.match(block[0]) is not None or block[0][0] in " \t")
    if not is_list:
        yield writing.newline
    signs = (line[0] for line in reversed(above) if line[0] in "-+*" and _ITEM.match(line))
    bullet = next(signs, "-") if is_list else "-"
    for item in items:
        for line in item.lines(writing.url, bullet):
            yield line + writing.newline


def _new(
    body: Sequence[str], subs: Sequence[Heading], new: Groups, ranks: Mapping[str, int]
) -> dict[int, Groups]:
    """Where headings that are missing go: line number -> what goes there."""
    there = [ranks.get(item.text.casefold(), -1) for item in subs]
    found = places(there, [ranks[name.casefold()] for name in new], lambda a, b: a < b)
    whole: dict[int, dict[str, Sequence[Entry]]] = {}
    end = _trimmed(body, 0, len(body))
    for (name, items), place in zip(new.items(), found, strict=True):
        line = subs[place].start if place < len(subs) else end
        whole.setdefault(line, {})[name] = items
    return dict(whole)


def _woven(
    body: Sequence[str],
    entries: Mapping[int, Sequence[str]],
    blocks: Mapping[int, Sequence[str]],
    newline: str,
) -> Iterator[str]:
    last = newline
    for number in range(len(body) + 1):
        for line in entries.get(number, ()):
            yield line
            last = line
        if number in blocks:
            # Right below the section's heading, too, stands a blank line.
            if number == 0 or not is_blank(last):
                yield newline
            yield from blocks[number]
            last = blocks[number][-1]
            if number < len(body) and not is_blank(body[number]):
                yield newline
        if number < len(body):
            yield body[number]
            last = body[number]
