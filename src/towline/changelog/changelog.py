"""The changelog, in the form of Keep a Changelog 1.1.0 (https://keepachangelog.com/en/1.1.0/).

What people wrote stays, byte for byte; only blank lines are added around new text. A version that
has a section is left as it is, so that running it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from towline.changelog import references
from towline.changelog.entries import HEADINGS, group, lines, ranks
from towline.changelog.file import Block, ChangelogFile, parse, places
from towline.changelog.headings import UNRELEASED, identity, order
from towline.changelog.merge import Writing, merge
from towline.changelog.references import Compare
from towline.changelog.text import is_blank
from towline.git.changes import Change

_FRAME = """\
# Changelog

All notable changes are described here, in the form of
[Keep a Changelog](https://keepachangelog.com/en/1.1.0/); versions follow
[Semantic Versioning](https://semver.org/spec/v2.0.0.html).

## [Unreleased]
"""
_DEEPEST = 6


@dataclass(frozen=True)
class Section:
    """What there is to tell of one version.

    Attributes:
        version: Semantic version; empty for what is not released.
        tag: Its tag; empty for what is not released.
        date: `YYYY-MM-DD`; may be empty.
        previous_tag: Tag of the version before; empty before the first.
        changes: Newest first.
    """

    version: str
    tag: str
    date: str
    previous_tag: str
    changes: Sequence[Change]


def headings(own: Mapping[str, str]) -> Mapping[str, str]:
    """Commit type -> heading, with a project's own over the usual ones; empty ones leave out."""
    merged = {**HEADINGS, **{kind.lower(): " ".join(name.split()) for kind, name in own.items()}}
    return {kind: name for kind, name in merged.items() if name}


def render(section: Section, *, headings: Mapping[str, str] = HEADINGS, url: str = "") -> str:
    """One section, as it stands in a new changelog.

    Args:
        section: What to tell.
        headings: Commit type -> heading.
        url: Web address of the repository; empty for hashes without links.
    """
    told = lines(group(section.changes, headings), level=3, url=url.rstrip("/"), newline="\n")
    return "".join([_title(section, 2), "\n", *(["\n", *told] if told else [])])


def update(
    existing: str,
    sections: Sequence[Section],
    *,
    headings: Mapping[str, str] = HEADINGS,
    url: str = "",
    compare: Compare | None = None,
) -> str:
    """A changelog with the sections that it lacks.

    The highest new version comes below Unreleased and takes over what stands there; the others
    come before the first version that is lower. A text without sections gets them after its title
    and introduction. What is not released is merged into Unreleased, entry by entry.

    Args:
        existing: The text of the file; empty for a new one.
        sections: In any order.
        headings: Commit type -> heading.
        url: Web address of the repository; empty for no links and no references.
        compare: Two tags -> address of their comparison, for an empty first one the address of
            the second; by default as GitHub has it.
    """
    file = parse(existing)
    if is_blank(existing.removeprefix(file.mark)):
        file = replace(parse(_FRAME.replace("\n", file.newline)), mark=file.mark)
    url = url.rstrip("/")
    writer = _Writer(file, headings, url, compare or (lambda old, new: _on_github(url, old, new)))
    new = _missing(file, sections)
    is_changed = writer.release(new)
    for section in sections:
        if section.version == UNRELEASED:
            is_changed = writer.collect(section) or is_changed
    return str(file) if is_changed else existing


def versions(existing: str) -> list[str]:
    """The versions that have a section, in the order of the file."""
    return parse(existing).versions


def section_text(existing: str, version: str) -> str:
    """What stands in the section of a version, such as for release notes.

    Args:
        existing: The text of the changelog.
        version: The version; empty for what is not released.

    Returns:
        Its lines without blank ones around, ended by line feeds but for the last; empty when
        there is no such section.
    """
    wanted = identity(version) if version else None
    for block in parse(existing).sections:
        if (identity(block.version) if block.version else None) == wanted:
            return "\n".join(line.rstrip("\r\n") for line in _without_edges(block.body))
    return ""


def preview(
    existing: str, section: Section, *, headings: Mapping[str, str] = HEADINGS, url: str = ""
) -> str:
    """What the section of the next version would hold: what people wrote, and the changes.

    Args:
        existing: The text of the changelog; it stays as it is.
        section: What is not released.
        headings: Commit type -> heading.
        url: Web address of the repository; empty for hashes without links.
    """
    unreleased = replace(section, version=UNRELEASED)
    return section_text(update(existing, [unreleased], headings=headings, url=url), UNRELEASED)


@dataclass(frozen=True)
class _Writer:
    """Puts sections into one changelog."""

    file: ChangelogFile
    headings: Mapping[str, str]
    url: str
    compare: Compare

    def release(self, new: Sequence[Section]) -> bool:
        """Add sections, newest first; whether there were any."""
        if not new:
            return False
        file = self.file
        there = [order(version) for version in file.versions]
        is_highest = all(order(new[0].version) > key for key in there)
        taken = self._taken_over() if is_highest else []
        keys = [order(item.version) for item in new]
        spots = file.spots(places(there, keys, lambda a, b: a >= b))
        level = file.level
        writing = self._writing(level)
        blocks: dict[int, list[Block]] = {}
        for section, spot in zip(new, spots, strict=True):
            body = merge(taken, group(section.changes, self.headings), writing)
            taken = []
            title = [_title(section, level) + file.newline]
            block = Block(section.version, title, body, level, is_new=True)
            blocks.setdefault(spot, []).append(block)
        file.put(blocks)
        if self.url:
            tags = [new[0].tag, *(item.previous_tag for item in new)] if is_highest else []
            references.set_unreleased(file, tags, self.compare)
            pairs = [(item.version, self._address(item)) for item in new]
            references.add(file, pairs)
        return True

    def collect(self, section: Section) -> bool:
        """Merge what is not released into its section; whether something was missing."""
        file = self.file
        groups = group(section.changes, self.headings)
        block = file.unreleased
        if not groups:
            return False
        if block is None:
            level = file.level
            title = [f"{_title(section, level)}{file.newline}"]
            block = Block(UNRELEASED, title, [], level, is_new=True)
            file.put({file.spots([0])[0]: [block]})
        body = merge(block.body, groups, self._writing(block.level))
        if body == block.body:
            return False
        block.body, block.is_new = body, True
        if self.url and not file.has_reference(references.LABEL):
            references.set_unreleased(file, [section.previous_tag], self.compare)
        return True

    def _taken_over(self) -> list[str]:
        """Take what people wrote out of Unreleased; what ends in an open code fence stays."""
        block = self.file.unreleased
        is_stuck = self.file.is_open and block is self.file.blocks[-1]
        if block is None or is_stuck or all(map(is_blank, block.body)):
            return []
        end = len(block.body)
        while is_blank(block.body[end - 1]):
            end -= 1
        taken, block.body, block.is_new = block.body[:end], [], True
        return taken

    def _writing(self, level: int) -> Writing:
        level = min(level + 1, _DEEPEST)
        return Writing(ranks(self.headings), level, self.url, self.file.newline)

    def _address(self, section: Section) -> str:
        return self.compare(section.previous_tag, section.tag) if section.tag else ""


def _missing(file: ChangelogFile, sections: Sequence[Section]) -> list[Section]:
    """The versions without a section, newest first; of equal ones the first."""
    known = {identity(version) for version in file.versions}
    found: dict[tuple[object, ...], Section] = {}
    for section in sections:
        key = identity(section.version) if section.version else None
        if key is not None and key not in known:
            found.setdefault(key, section)
    return sorted(found.values(), key=lambda item: order(item.version), reverse=True)


def _title(section: Section, level: int) -> str:
    name = section.version or references.LABEL
    date = f" - {section.date}" if section.version and section.date else ""
    return f"{'#' * level} [{name}]{date}"


def _without_edges(body: Sequence[str]) -> Sequence[str]:
    start, end = 0, len(body)
    while start < end and is_blank(body[start]):
        start += 1
    while end > start and is_blank(body[end - 1]):
        end -= 1
    return body[start:end]


def _on_github(url: str, old: str, new: str) -> str:
    new = quote(new, safe="/+@")
    if not old:
        return f"{url}/releases/tag/{new}"
    return f"{url}/compare/{quote(old, safe='/+@')}...{new}"
