"""The link references at the foot of a changelog: each version with what it compares to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from towline.changelog.file import ChangelogFile, places
from towline.changelog.headings import order, version_in
from towline.changelog.text import Heading, is_blank, outline

LABEL = "Unreleased"
HEAD = "HEAD"
_TAG = "TOWLINE-TAG"

Compare = Callable[[str, str], str]


def add(file: ChangelogFile, addresses: Sequence[tuple[str, str]]) -> None:
    """Add references to versions; one that people made stays as it is.

    Args:
        file: The changelog; one that ends inside a code fence gets none.
        addresses: Version and address, newest first; without an address there is no reference.
    """
    wanted = [item for item in addresses if item[1] and item[0].lower() not in file.labels]
    if not wanted or file.is_open:
        return
    there = _versions(file)
    known = [order(version) for _, version in there if version]
    lines = [line for line, version in there if version]
    spots = places(known, [order(version) for version, _ in wanted], lambda a, b: a > b)
    end = there[-1][0] + 1 if there else _end(file)
    _put(
        file,
        [
            (lines[spot] if spot < len(lines) else end, f"[{version}]: {address}")
            for (version, address), spot in zip(wanted, spots, strict=True)
        ],
    )


def set_unreleased(file: ChangelogFile, tags: Sequence[str], compare: Compare) -> None:
    """Let the reference of what is not released start at a tag.

    One that people made in another form is kept, but for the tag in it.

    Args:
        file: The changelog; without a section for what is not released nothing is done.
        tags: The tag, then older ones that may stand in its place.
        compare: Two tags -> address of their comparison.
    """
    address = compare(tags[0], HEAD) if tags and tags[0] else ""
    if not address or file.is_open or file.unreleased is None:
        return
    if LABEL.lower() not in file.labels:
        there = _versions(file)
        _put(file, [(there[0][0] if there else _end(file), f"[{LABEL}]: {address}")])
        return
    for item in outline(file.foot.body).references:
        if item.label.lower() == LABEL.lower():
            line = file.foot.body[item.line]
            new = _moved(item.address, address, tags, compare)
            rest = line[item.column + len(item.address) :]
            file.foot.body[item.line] = line[: item.column] + new + rest
            return


def _moved(old: str, new: str, tags: Sequence[str], compare: Compare) -> str:
    start, _, end = compare(_TAG, HEAD).partition(_TAG)
    if old.startswith(start) and old.endswith(end):
        return new
    stale = next((tag for tag in tags[1:] if tag and tag in old), "")
    return old.replace(stale, tags[0]) if stale else old


def _versions(file: ChangelogFile) -> list[tuple[int, str]]:
    """The references in the foot that belong to versions or to Unreleased, with their lines."""
    found = (
        (item.line, version_in(Heading(1, item.label, 0, 1)))
        for item in outline(file.foot.body).references
    )
    return [(line, version) for line, version in found if version is not None]


def _end(file: ChangelogFile) -> int:
    end = len(file.foot.body)
    while end and is_blank(file.foot.body[end - 1]):
        end -= 1
    return end


def _put(file: ChangelogFile, added: Sequence[tuple[int, str]]) -> None:
    """Put lines into the foot, each before the line with its number."""
    by_line: dict[int, list[str]] = {}
    for number, text in added:
        by_line.setdefault(number, []).append(text + file.newline)
    old = file.foot.body
    file.foot.is_new = file.foot.is_new or not old
    body: list[str] = []
    for number in range(len(old) + 1):
        body += by_line.get(number, ())
        body += old[number : number + 1]
    file.foot.body = body
    file.labels.update(text[1:].partition("]")[0].lower() for _, text in added)
