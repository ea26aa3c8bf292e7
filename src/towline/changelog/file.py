"""A changelog as a file: its sections, what stands around them, and the references at its foot.

Parsed and printed it is the same, byte for byte. Only blank lines are added around new text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from towline.changelog.headings import UNRELEASED, version_in
from towline.changelog.text import (
    Heading,
    Outline,
    is_blank,
    is_paragraph,
    outline,
    split_lines,
)

_MARK = "\ufeff"
_FRONT = "---"
_LEVEL = 2
Key = TypeVar("Key")


@dataclass
class Block:
    """Lines that belong together, with their ends.

    Attributes:
        version: Of a section; `UNRELEASED`, or None for text that is no section of a version.
        title: Lines of the heading; empty without one.
        body: The lines below it.
        level: Of the heading.
        is_new: Whether blank lines belong around it, because it was not there before.
    """

    version: str | None
    title: list[str]
    body: list[str]
    level: int = _LEVEL
    is_new: bool = False

    @property
    def lines(self) -> list[str]:
        """All lines."""
        return self.title + self.body


@dataclass
class ChangelogFile:
    """A changelog.

    Attributes:
        blocks: What stands before the sections, then the sections.
        foot: The link references that end the file, and blank lines.
        labels: Labels of all references, in lower case.
        newline: End of a line.
        mark: The byte order mark, when the file starts with one.
        is_ended: Whether the last line has an end.
        is_open: Whether the last block ends inside a code fence or a comment.
    """

    blocks: list[Block]
    foot: Block
    labels: set[str]
    newline: str = "\n"
    mark: str = ""
    is_ended: bool = True
    is_open: bool = False

    @property
    def level(self) -> int:
        """Level of the headings of versions."""
        return min((item.level for item in self.sections), default=_LEVEL)

    @property
    def sections(self) -> list[Block]:
        """The sections of versions, and Unreleased."""
        return [item for item in self.blocks if item.version is not None]

    @property
    def versions(self) -> list[str]:
        """The versions that have a section."""
        return [version for _, version in self.numbered]

    @property
    def unreleased(self) -> Block | None:
        """The section of what is not released."""
        return next((item for item in self.blocks if item.version == UNRELEASED), None)

    @property
    def numbered(self) -> list[tuple[int, str]]:
        """The versions that have a section, with their places among the blocks."""
        return [(place, item.version) for place, item in enumerate(self.blocks) if item.version]

    def has_reference(self, label: str) -> bool:
        """Whether a link reference has a label; labels have no case."""
        return label.lower() in self.labels

    def spots(self, numbers: Sequence[int]) -> list[int]:
        """Where new sections go, among the blocks.

        Args:
            numbers: For each, the number of the version that it comes before, from 0; the count
                of versions for the end.
        """
        there = [place for place, _ in self.numbered]
        found = [place for place, item in enumerate(self.blocks) if item.version == UNRELEASED]
        # What stands under Unreleased moves into the newest version. That comes right below it,
        # even where people keep Unreleased below a version: no line may pass another one.
        first = found[0] + 1 if found else there[0] if there else 1
        # Nothing can be written after a text that ends inside a code fence.
        last = len(self.blocks) - 1 if self.is_open else len(self.blocks)
        ways = [first, *there[1:], there[-1] + 1] if there else [first]
        return [min(ways[number], last) for number in numbers]

    def put(self, new: Mapping[int, Sequence[Block]]) -> None:
        """Put blocks in, each before the block at its place."""
        blocks: list[Block] = []
        for place in range(len(self.blocks) + 1):
            blocks += new.get(place, ())
            blocks += self.blocks[place : place + 1]
        self.blocks = blocks

    def __str__(self) -> str:
        lines: list[str] = []
        before = None
        for block in (*self.blocks, self.foot):
            added = block.lines
            if not added:
                continue
            is_seam = before is not None and (before.is_new or block.is_new)
            if is_seam and not is_blank(lines[-1]) and not is_blank(added[0]):
                lines.append(self.newline)
            lines += added
            before = block
        text = self.mark + "".join(lines)
        return text if self.is_ended else text.removesuffix(self.newline)


def parse(text: str) -> ChangelogFile:
    """Read a changelog; any text is one."""
    mark = _MARK if text.startswith(_MARK) else ""
    lines = split_lines(text.removeprefix(_MARK))
    newline = _newline(lines)
    is_ended = not lines or lines[-1].endswith(("\n", "\r"))
    if not is_ended:
        lines[-1] += newline
    start = _front(lines)
    found = outline(lines, start)
    foot = _foot(lines, found)
    return ChangelogFile(
        blocks=_blocks(lines[:foot], found, start),
        foot=Block(None, [], lines[foot:]),
        labels={item.label.lower() for item in found.references},
        newline=newline,
        mark=mark,
        is_ended=is_ended,
        is_open=found.is_open,
    )


def places(
    there: Sequence[Key], new: Sequence[Key], comes_first: Callable[[Key, Key], bool]
) -> list[int]:
    """Where new things go among things that are there, in one walk over both.

    Args:
        there: Keys of what is there.
        new: Keys of what is new, in their order.
        comes_first: Whether a new key (first argument) comes before one that is there.

    Returns:
        For each new key the place of the first one that it comes before; their number without one.
    """
    found = []
    place = 0
    for key in new:
        while place < len(there) and not comes_first(key, there[place]):
            place += 1
        found.append(place)
    return found


def _newline(lines: Sequence[str]) -> str:
    first = lines[0] if lines else ""
    bare = first.rstrip("\r\n")
    return first[len(bare) :] or "\n"


def _front(lines: Sequence[str]) -> int:
    """Where the text starts, behind front matter (YAML between lines of `---`)."""
    if not lines or lines[0].rstrip() != _FRONT:
        return 0
    for number in range(1, len(lines)):
        if lines[number].rstrip() == _FRONT:
            return number + 1
    return 0


def _foot(lines: Sequence[str], found: Outline) -> int:
    """Where the references begin that end the file."""
    start = end = len(lines)
    references = {item.line for item in found.references}
    while end and (is_blank(lines[end - 1]) or end - 1 in references):
        end -= 1
        if end in references:
            start = end
    return start


def _blocks(lines: list[str], found: Outline, start: int) -> list[Block]:
    headings = [item for item in found.headings if item.start < len(lines)]
    cuts = _cuts(headings)
    if not cuts:
        end = _introduction(lines, found, start)
        return [Block(None, [], lines[:end]), Block(None, [], lines[end:])]
    blocks = [Block(None, [], lines[: cuts[0][0].start])]
    ends = [heading.start for heading, _ in cuts[1:]] + [len(lines)]
    for (heading, version), end in zip(cuts, ends, strict=True):
        title = lines[heading.start : heading.end]
        blocks.append(Block(version, title, lines[heading.end : end], heading.level))
    return blocks


def _cuts(headings: Sequence[Heading]) -> list[tuple[Heading, str | None]]:
    """The headings that start a section: of versions, and what stands beside those."""
    cuts: list[tuple[Heading, str | None]] = []
    for heading in headings:
        version = version_in(heading)
        # standard-version writes `### [1.2.1]` and, at the same level, `### Features` below it.
        if version is not None or (cuts and heading.level <= min(cuts[-1][0].level, _LEVEL)):
            cuts.append((heading, version))
    return cuts


def _introduction(lines: Sequence[str], found: Outline, start: int) -> int:
    """Where the introduction of a text without sections ends: title, comments, paragraphs."""
    headings = {item.start: item.end for item in found.headings}
    place, has_title, end = start, False, start
    while place < len(lines):
        if is_blank(lines[place]):
            place += 1
            continue
        if place in found.comments:
            place = found.hidden[place]
        elif place in headings and not has_title:
            place, has_title = headings[place], True
        else:
            after = place
            while after < len(lines) and not is_blank(lines[after]):
                if after in headings or after in found.hidden or not is_paragraph(lines[after]):
                    return end
                after += 1
            place = after
        end = place
    return end
