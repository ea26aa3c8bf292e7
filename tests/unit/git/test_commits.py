"""Conventional Commits: the specification's examples, its parser's cases, and the traps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.git.commits import Footer, Message, parse
from towline.git.squash import listed
from towline.versions.rules import Rules

EXTENDED = """\
feat: allow provided config object to extend other configs

BREAKING CHANGE: `extends` key in config file is now used for extending other files
"""
BOTH = """\
refactor!: drop support for Node 6

BREAKING CHANGE: refactor to use JavaScript features not available in Node 6.
"""
PARAGRAPHS = """\
fix: correct minor typos in code

see the issue for details

on typos fixed.

Reviewed-by: Z
Refs #133
"""
REVERT = """\
revert: let us never again speak of the noodle incident

Refs: 676104e, a215868
"""
SPECIFICATION = [
    (
        EXTENDED,
        ("feat", "", "allow provided config object to extend other configs", ""),
        ("`extends` key in config file is now used for extending other files",),
    ),
    (
        "refactor!: drop support for Node 6",
        ("refactor", "", "drop support for Node 6", ""),
        ("drop support for Node 6",),
    ),
    (
        "refactor(runtime)!: drop support for Node 6",
        ("refactor", "runtime", "drop support for Node 6", ""),
        ("drop support for Node 6",),
    ),
    (
        BOTH,
        ("refactor", "", "drop support for Node 6", ""),
        ("refactor to use JavaScript features not available in Node 6.",),
    ),
    (
        "docs: correct spelling of CHANGELOG",
        ("docs", "", "correct spelling of CHANGELOG", ""),
        (),
    ),
    ("feat(lang): add polish language", ("feat", "lang", "add polish language", ""), ()),
    (
        PARAGRAPHS,
        (
            "fix",
            "",
            "correct minor typos in code",
            "see the issue for details\n\non typos fixed.",
        ),
        (),
    ),
    (REVERT, ("revert", "", "let us never again speak of the noodle incident", ""), ()),
]


@pytest.mark.parametrize(("text", "parts", "notes"), SPECIFICATION)
def test_the_examples_of_the_specification(text, parts, notes):
    message = parse(text)
    assert (message.type, message.scope, message.description, message.body) == parts
    assert message.notes == notes
    assert message.breaking == bool(notes)


@pytest.mark.parametrize(
    ("text", "type_", "scope", "description", "marked"),
    [
        ("fix: a really weird bug", "fix", "", "a really weird bug", False),
        ("feat(parser): add support for scopes", "feat", "parser", "add support for scopes", False),
        ("feat!: add support for scopes", "feat", "", "add support for scopes", True),
        ("feat(http parser)!: add support", "feat", "http parser", "add support", True),
        ("feat(tree):    add whitespace node", "feat", "tree", "add whitespace node", False),
        ("feat(tree):no whitespaces here", "feat", "tree", "no whitespaces here", False),
        ("FEAT(Api): loud", "feat", "Api", "loud", False),
        ("Fix: first letter", "fix", "", "first letter", False),
        ("größe: no ASCII", "größe", "", "no ASCII", False),
        ("build-deps: a dash", "build-deps", "", "a dash", False),
        ("feat(@scope/name,other): punctuation", "feat", "@scope/name,other", "punctuation", False),
        ("fix: colon: again", "fix", "", "colon: again", False),
        ("\n\nfix: late start", "fix", "", "late start", False),
    ],
)
def test_first_lines(text, type_, scope, description, marked):
    message = parse(text)
    found = (message.type, message.scope, message.description, message.marked)
    assert found == (type_, scope, description, marked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "feat add support for scopes",
        "feat( foo ) add support for scopes",
        "feat(bar)! add support for breaking change",
        "feat(foo: add support for scopes",
        "feat():",
        "feat: ",
        "feat:",
        ": no type",
        "(scope): no type",
        "feat ! : spaces",
        "feat!(scope): the mark stands before the colon",
        "Merge branch 'main': conflicts",
        "https://example.org is down",
        "std::vector is slow",
        "12:30 meeting",
        'Revert "feat: x"',
        "breaking change: must be upper-case",
        "BREAKING CHANGE without a colon",
    ],
)
def test_other_first_lines_are_not_conventional(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("rest", "footers"),
    [
        ("\nAuthor: @byCedric", [("Author", "@byCedric")]),
        ("\n\nExternal-Id:    1337", [("External-Id", "1337")]),
        ("\n\nExternal-Id:1337", [("External-Id", "1337")]),
        ("\n\nbody\nAuthor: @bcoe\nRefs #392", [("Author", "@bcoe"), ("Refs", "#392")]),
        (
            "\n\nAcked-by: A <a@example.org>\r\nRefs: #1",
            [("Acked-by", "A <a@example.org>"), ("Refs", "#1")],
        ),
        (
            "\n\nNote: one\n two\n\nthree\nRefs: #4",
            [("Note", "one\n two\n\nthree"), ("Refs", "#4")],
        ),
        ("\n\nsee https://example.org and a: b", []),
        ("\n\nhttps://example.org", []),
    ],
)
def test_footers(rest, footers):
    message = parse(f"fix: it{rest}")
    assert [(item.token, item.value) for item in message.footers] == footers


@pytest.mark.parametrize(
    ("rest", "notes"),
    [
        ("\nBREAKING CHANGE: it breaks", ("it breaks",)),
        ("\nBREAKING-CHANGE: it breaks", ("it breaks",)),
        ("\n\nBREAKING CHANGE: one\n two\n three", ("one\n two\n three",)),
        ("\n\nBREAKING CHANGE: one\n\ntwo\n\nRefs: #4", ("one\n\ntwo",)),
        ("\n\ntext\n\nBREAKING CHANGE:\nwhat breaks", ("what breaks",)),
        ("\n\nBREAKING CHANGE: one\nBREAKING-CHANGE: two", ("one", "two")),
        ("\n\nBREAKING CHANGE #42", ("#42",)),
        ("\n\nBREAKING CHANGE: a\n\nMigration:\n- b\n- c", ("a\n\nMigration:\n- b\n- c",)),
        ("\n\nBREAKING CHANGE: a\nMigration: b\nRefs: #1", ("a\nMigration: b",)),
        ("\n\nMigration:\n- b\n\nBREAKING CHANGE: a\nSigned-off-by: Ann", ("a",)),
        ("\r\n\r\nbody\r\n\r\nBREAKING CHANGE: with carriage returns", ("with carriage returns",)),
        # Only mentioned:
        ("\n\n    BREAKING CHANGE: a quotation", ()),
        ("\n\n> BREAKING CHANGE: a quotation", ()),
        ("\n\nnot a BREAKING CHANGE: within a line", ()),
        ("\n\nbreaking change: must be upper-case", ()),
        ("\n\nBreaking-Change: must be upper-case", ()),
        ("\n\nBREAKING CHANGES: has no S", ()),
        ("\n\nBREAKING CHANGE without a colon", ()),
    ],
)
def test_breaking_footers(rest, notes):
    assert parse(f"fix: it{rest}").notes == notes


@pytest.mark.parametrize("mark", ["BREAKING CHANGE: ", "BREAKING-CHANGE:"])
def test_a_first_line_that_says_nothing_but_that_it_breaks(mark):
    message = parse(f"{mark}update API endpoints\n\nbody\n\nRefs: #4")
    assert message.notes == ("update API endpoints",)
    assert message.header == "BREAKING CHANGE: update API endpoints"
    assert (message.body, message.footers) == ("body", (Footer("Refs", "#4"),))
    assert parse(str(message)) == message
    assert Rules().part(message) == "major"


def test_a_footer_explains_what_the_mark_announces():
    message = parse("feat(api)!: drop it\n\nBREAKING CHANGE: use that")
    assert message.notes == ("use that",)
    assert message.marked


word = st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True)
line = st.text(
    st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=30
).map(lambda text: f"x{text.strip()}x")
prose = st.lists(line, max_size=4).map("\n".join)


@st.composite
def messages(draw):
    footers = st.builds(
        Footer, st.one_of(word, st.sampled_from(["BREAKING CHANGE", "BREAKING-CHANGE"])), line
    )
    scope = st.one_of(st.just(""), line.filter(lambda text: not set(text) & set("()")))
    return Message(
        type=draw(word),
        scope=draw(scope),
        description=draw(line),
        body=draw(prose),
        footers=tuple(draw(st.lists(footers, max_size=3))),
        marked=draw(st.booleans()),
    )


@given(messages())
def test_what_is_printed_parses_to_the_same(message):
    found = parse(str(message))
    footer_like = parse(f"x: x\n\n{message.body}").footers
    if footer_like:
        assert found.header == message.header
    else:
        assert found == message


@given(st.text())
def test_no_text_is_too_odd(text):
    message = parse(text)
    if message is not None:
        assert parse(str(message)).header == message.header
        assert message.breaking == bool(message.notes)
    assert isinstance(listed(text), list)


GITHUB = """\
Search and more (#12)

* feat(search): find by tag

with a body

* fix: typo

* wip

* perf!: faster

BREAKING CHANGE: needs an index
"""
GIT = """\
Squashed commit of the following:

commit 1111111111111111111111111111111111111111
Author: Ann <ann@example.org>
Date:   Sat Nov 21 01:00:00 2026 +0000

    fix: second

    Refs: #3

commit 2222222222222222222222222222222222222222
Author: Ann <ann@example.org>
Date:   Sat Nov 21 00:00:00 2026 +0000

    feat: first
"""


def test_a_squashed_pull_request_lists_its_commits():
    found = [parse(item.message) for item in reversed(listed(GITHUB)) if parse(item.message)]
    assert [item.header for item in found] == [
        "feat(search): find by tag",
        "fix: typo",
        "perf!: faster",
    ]
    assert found[0].body == "with a body"
    assert found[2].notes == ("needs an index",)


def test_git_merge_squash_lists_its_commits():
    assert [item.sha for item in listed(GIT)] == ["1" * 40, "2" * 40]
    found = [parse(item.message) for item in listed(GIT)]
    assert [item.header for item in found] == ["fix: second", "feat: first"]
    assert found[0].footers == (Footer("Refs", "#3"),)


def test_a_list_in_an_ordinary_commit_is_no_list_of_commits():
    assert listed("Notes\n\n* feat: not a commit") == []
