"""The laws of the changelog, for any text that a file may hold and anything a commit may say."""

import re

from changelog_material import URL
from hypothesis import assume, example, given
from hypothesis import strategies as st

from towline.changelog import changelog
from towline.changelog.changelog import Section, preview, section_text, update
from towline.changelog.file import parse
from towline.changelog.headings import identity, order
from towline.changelog.text import is_blank, outline, split_lines
from towline.git.changes import Change
from towline.git.commits import Footer, Message
from towline.git.log import Commit

# Pieces of Markdown that matter here, so that fences open and close and headings are met.
PIECES = st.sampled_from(
    """\
# Changelog|## [Unreleased]|## Unreleased|### Added|### Fixed|#### Deep|## [1.0.0] - 2024-01-01
## 2.0.0 (2024-01-01)|## v1.2|### 1.0.1|## Notes|1.3.0|Unreleased|---|===|- item|* item|  more
1. one|> said|```|````|~~~|  ```|- ```|<!--|-->|<!-- x -->|<pre>|</pre>|    code|text|`|\\
[Unreleased]: https://example.org/shop/compare/v1.0.0...HEAD|[1.0.0]: https://example.org/one|[a]: b
| table ||- A ([0000000](x))|\u2028|\x0c|\ufeff""".replace("\n", "|").split("|")
)
LINES = st.one_of(PIECES, PIECES, PIECES, st.just(""), st.text(max_size=12))


@st.composite
def files(draw):
    lines = draw(st.lists(LINES, max_size=14))
    newline = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return newline.join(lines) + draw(st.sampled_from(["", newline]))


numbers = st.integers(0, 3)
versions = st.builds(
    "{}.{}.{}{}".format,
    *(numbers, numbers, numbers),
    st.sampled_from(["", "", "-rc.1", "-rc.2", "-a-b", "-0--", "+b.1"]),
)
words = st.one_of(st.text(min_size=1, max_size=12), PIECES).filter(lambda text: not is_blank(text))
texts = st.lists(st.one_of(words, st.just("- item"), st.just("")), max_size=4).map("\n".join)
messages = st.builds(
    Message,
    type=st.sampled_from(["feat", "fix", "perf", "chore"]),
    scope=st.one_of(st.just(""), words),
    description=words,
    footers=st.lists(st.builds(Footer, st.just("BREAKING CHANGE"), texts), max_size=1).map(tuple),
    marked=st.booleans(),
)
hashes = st.integers(0, 16**40 - 1).map("{:040x}".format)
commits = st.builds(
    Commit, hashes, st.just(()), st.just(()), st.just(""), st.just("Ann"), st.just("")
)
changes = st.lists(st.builds(Change, commits, st.one_of(messages, st.none())), max_size=4)
released = st.builds(
    lambda version, changes, previous: Section(
        version, f"v{version}", "2026-11-21", f"v{previous}" if previous else "", changes
    ),
    *(versions, changes, st.one_of(st.just(""), versions)),
)
unreleased = st.builds(Section, *(st.just(""),) * 3, st.just("v1.0.0"), changes)
sections = st.lists(st.one_of(released, released, unreleased), max_size=4)
urls = st.sampled_from(["", URL])


@given(st.one_of(files(), st.text()))
@example("\ufeff")
@example("a\r\rb\n\r")
def test_what_is_read_prints_the_same(text):
    assert str(parse(text)) == text


@given(files(), sections, urls)
def test_twice_changes_nothing(existing, new, url):
    once = update(existing, new, url=url)
    assert update(once, new, url=url) == once


@given(files(), sections, sections)
def test_one_after_the_other_changes_nothing_either(existing, first, second):
    once = update(update(existing, first), second)
    # What is not released moves into a version; it would be there anew.
    again = [item for item in (*first, *second) if item.version]
    assert update(once, again) == once


@given(files(), sections, urls)
@example("\ufeff\n\ufeff", [Section("1.0.0", "v1.0.0", "", "", [])], "")
@example(
    "## [1.0.0] - 2024-01-01\n## [Unreleased]\n### Added",
    [Section("2.0.0", "v2.0.0", "", "v1.0.0", []), Section("1.5.0", "v1.5.0", "", "", [])],
    "",
)
def test_every_line_of_people_is_there_still_and_in_order(existing, new, url):
    after = iter(_lines(update(existing, new, url=url)))
    for line in _lines(existing):
        assert line in after, line


@given(files(), sections, urls)
def test_every_version_has_a_section_once_and_unreleased_is_not_doubled(existing, new, url):
    text = update(existing, new, url=url)
    asked = {identity(item.version) for item in new if item.version}
    before = [identity(item) for item in changelog.versions(existing)]
    after = [identity(item) for item in changelog.versions(text)]
    assert sorted(after, key=str) == sorted([*before, *(asked - set(before))], key=str)
    count = _unreleased(existing)
    assert _unreleased(text) in {count, max(count, 1)}


@given(st.lists(released, max_size=6), urls)
def test_a_new_file_has_the_highest_version_first(new, url):
    found = changelog.versions(update("", new, url=url))
    keys = [order(item) for item in found]
    assert keys == sorted(keys, reverse=True)


@given(released, urls)
def test_nothing_that_a_commit_says_leaves_its_line(new, url):
    text = changelog.render(new, url=url)
    found = outline(split_lines(text))
    names = [item.text for item in found.headings[1:]]
    assert set(names) <= {"Breaking", "Added", "Changed", "Fixed"}
    assert len(names) == len(set(names))
    assert not found.hidden
    assert not found.references
    for line in split_lines(text):
        assert re.match(r"#|- |  - |\n", line), line


@given(files(), unreleased)
def test_a_preview_tells_of_every_commit_that_counts(existing, new):
    assume(not parse(existing).is_open)
    told = preview(existing, new)
    for change in new.changes:
        message = change.message
        is_told = message and (message.type != "chore" or message.breaking)
        by_hand = section_text(existing, "")
        assert not is_told or change.commit.sha[:7] in told or by_hand


def _lines(text):
    """Lines that are not blank, without their ends and without the address of Unreleased."""
    found = (line.rstrip("\r\n") for line in split_lines(text.removeprefix("\ufeff")))
    return [
        line.split(" ")[0] if line.startswith("[Unreleased]:") else line
        for line in found
        if not is_blank(line)
    ]


def _unreleased(text):
    return sum(item.version == "" for item in parse(text).blocks)
