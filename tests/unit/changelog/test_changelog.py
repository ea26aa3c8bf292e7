"""The changelog: what is written, where it goes, and what stays."""

import sys

import pytest
from changelog_material import URL, commit, section, sha, short

from towline.changelog import changelog
from towline.changelog.changelog import Section, headings, preview, render, section_text, update
from towline.changelog.headings import identity, order, version_in
from towline.changelog.inline import sentence
from towline.changelog.text import Heading, outline, split_lines
from towline.git.changes import Change
from towline.git.commits import Message

MESSAGES = (
    "feat(basket): keep it for a day",
    "fix: round prices, see #12",
    "perf: ask the database once",
    "docs: say more",
    "refactor(api)!: drop /v1",
    "feat: sign in by mail\n\nBREAKING CHANGE: passwords are gone;\nask for a link",
    "security: check the origin",
    "no convention",
)


def entry(text, message):
    return f"- {text} ([{short(message)}]({URL}/commit/{sha(message)}))\n"


def test_a_section_has_breaking_first_and_then_the_order_of_keep_a_changelog():
    text = render(section("1.4.0", *MESSAGES), url=f"{URL}/")
    assert text == (
        "## [1.4.0] - 2026-11-21\n\n"
        "### Breaking\n\n"
        + entry("**api**: Drop /v1", MESSAGES[4])
        + entry("Passwords are gone; ask for a link", MESSAGES[5])
        + "\n### Added\n\n"
        + entry("**basket**: Keep it for a day", MESSAGES[0])
        + entry("Sign in by mail", MESSAGES[5])
        + "\n### Changed\n\n"
        + entry("Ask the database once", MESSAGES[2])
        + "\n### Fixed\n\n"
        + entry("Round prices, see #12", MESSAGES[1])
        + "\n### Security\n\n"
        + entry("Check the origin", MESSAGES[6])
    )


def test_without_an_address_hashes_are_no_links():
    assert f"- Round prices ({short('fix: round prices')})\n" in render(
        section("1.0.0", "fix: round prices")
    )


def test_a_section_with_nothing_to_tell_is_its_heading():
    assert render(section("1.0.0", "chore: tidy")) == "## [1.0.0] - 2026-11-21\n"


def test_headings_can_be_changed_added_and_left_out():
    own = headings({"Docs": "Documentation", "perf": "", "fix": "Repaired"})
    text = render(section("1.0.0", *MESSAGES), headings=own)
    found = [line for line in text.splitlines() if line.startswith("###")]
    names = ["Breaking", "Added", "Security", "Repaired", "Documentation"]
    assert found == [f"### {name}" for name in names]


def test_the_same_said_twice_is_one_entry_with_both_hashes():
    first, second = "fix(ui): Blink less.", "fix(ui): blink  less"
    text = render(section("1.0.0", first, second))
    assert f"- **ui**: Blink less. ({short(first)}, {short(second)})\n" in text
    assert text.count("- ") == 2  # the other one is in the heading's date


def test_what_a_squash_commit_lists_keeps_its_order():
    message = "Many things (#7)\n\n* feat: one\n\n* feat: two"
    text = render(section("1.0.0", message, "feat: three"))
    assert [line.split(" (")[0] for line in text.splitlines()[4:]] == ["- One", "- Two", "- Three"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("# not a heading", r"\# not a heading"),
        ("#12 is mended", "#12 is mended"),
        ("> not a quotation", r"\> not a quotation"),
        ("- not a list", r"\- not a list"),
        ("1. not a list", r"1\. not a list"),
        ("1.2 is the oldest", "1.2 is the oldest"),
        ("~~~ not a fence", r"\~~~ not a fence"),
        ("``` not a fence", r"\``` not a fence"),
        ("```code``` stays", "```code``` stays"),
        ("[label]: no reference", r"\[label]: no reference"),
        ("[label] stays", "[label] stays"),
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("close a <!-- comment", "Close a &lt;!-- comment"),
        ("keep `<b>`, not <b>", "Keep `<b>`, not &lt;b>"),
        ("keep ``a ` <b>``, not ` <b>", "Keep ``a ` <b>``, not ` &lt;b>"),
        (r"no code: \`<b>`", r"No code: \`&lt;b>`"),
        ("a < b", "A < b"),
        ("two\nlines\r\n\tor \u2028 three", "Two lines or three"),
        ("a\x00b\x1b[31m", "ab[31m"),
        ("iOS works", "iOS works"),
        ("setup.py works", "setup.py works"),
        ("äther weht", "Äther weht"),
        ("👩\u200d💻 works", "👩\u200d💻 works"),
    ],
)
def test_no_description_breaks_the_list(given, expected):
    assert sentence(given, starts=True) == expected


def test_no_scope_breaks_the_list():
    change = Change(commit("x"), Message("fix", "*a` [b] <i>", "c"))
    text = render(Section("1.0.0", "", "", "", [change]))
    assert r"- **\*a\` \[b\] &lt;i>**: C (" in text


def test_a_new_file_gets_a_frame_sections_and_references():
    text = update(
        "", [section("1.0.0", "feat: start"), section("1.1.0", previous="1.0.0")], url=URL
    )
    assert text.startswith("# Changelog\n\nAll notable changes")
    assert text.endswith(
        "\n\n## [Unreleased]\n\n"
        "## [1.1.0] - 2026-11-21\n\n"
        "## [1.0.0] - 2026-11-21\n\n### Added\n\n"
        + entry("Start", "feat: start")
        + f"\n[Unreleased]: {URL}/compare/v1.1.0...HEAD\n"
        f"[1.1.0]: {URL}/compare/v1.0.0...v1.1.0\n"
        f"[1.0.0]: {URL}/releases/tag/v1.0.0\n"
    )


def test_comparisons_are_made_by_the_function_given():
    text = update(
        "",
        [section("1.0.0"), section("1.1.0", previous="1.0.0")],
        url=URL,
        compare=lambda old, new: f"x:{old}~{new}" if old else "",
    )
    assert text.endswith("[Unreleased]: x:v1.1.0~HEAD\n[1.1.0]: x:v1.0.0~v1.1.0\n")


HAND = f"""\
# Changelog

Written by <em>hand</em>.

## [Unreleased]

We are proud.

### Added

* Basket, which
  goes on ([{short("feat: basket")}](x)).
* **pay**: By card

#### Details

Much.

### Notes

- A note.

## [1.0.0] - 2024-01-01 [YANKED]

### Fixed
- Old   text stays\x20\x20

[Unreleased]: {URL}/compare/v1.0.0...main
[1.0.0]: https://elsewhere.example.org/one
[issue]: {URL}/issues
"""


def test_what_people_wrote_moves_into_the_new_version_before_what_is_generated():
    new = section("1.1.0", "feat: basket", "feat(pay): by card", "feat: more", "fix!: less")
    text = update(HAND, [new])
    assert text == HAND.replace(
        "## [Unreleased]\n",
        "## [Unreleased]\n\n## [1.1.0] - 2026-11-21\n",
    ).replace("proud.\n", f"proud.\n\n### Breaking\n\n- Less ({short('fix!: less')})\n").replace(
        "By card\n", f"By card\n* More ({short('feat: more')})\n"
    )


def test_only_the_highest_of_several_new_versions_takes_it_over():
    text = update(HAND, [section("1.1.0", "feat: a"), section("1.2.0", "feat: b")])
    assert changelog.versions(text) == ["1.2.0", "1.1.0", "1.0.0"]
    assert section_text(text, "1.2.0").startswith("We are proud.")
    assert section_text(text, "1.1.0") == f"### Added\n\n- A ({short('feat: a')})"
    assert section_text(text, "") == ""


def test_references_go_on_and_those_of_people_stay():
    text = update(HAND, [section("1.1.0", previous="1.0.0")], url=URL)
    assert text.endswith(
        f"[Unreleased]: {URL}/compare/v1.1.0...main\n"
        f"[1.1.0]: {URL}/compare/v1.0.0...v1.1.0\n"
        "[1.0.0]: https://elsewhere.example.org/one\n"
        f"[issue]: {URL}/issues\n"
    )


def test_a_reference_that_people_made_ahead_stays_alone():
    existing = "## [Unreleased]\n\n[unreleased]: next.html\n[1.1.0]: one.html\n"
    text = update(existing, [section("1.1.0", previous="1.0.0")], url=URL)
    assert text.endswith("[1.1.0] - 2026-11-21\n\n[unreleased]: next.html\n[1.1.0]: one.html\n")


def test_a_version_that_has_a_section_is_left_as_it_is():
    assert update(HAND, [section("1.0.0", "feat: later found")], url=URL) == HAND


def test_an_older_version_goes_to_its_place_and_takes_nothing_over():
    text = update(HAND, [section("0.9.0", "feat: start"), section("1.0.0-rc.1")], url=URL)
    start, end = HAND.split("\n[Unreleased]:")
    assert text.startswith(f"{start}\n## [1.0.0-rc.1] - 2026-11-21\n\n## [0.9.0] - 2026-11-21\n")
    assert f"...main\n[1.0.0]: https://elsewhere.example.org/one\n[1.0.0-rc.1]: {URL}/rel" in text
    assert f"[0.9.0]: {URL}/releases/tag/v0.9.0\n[issue]:" in text
    assert end.startswith(f" {URL}/compare/v1.0.0...main")


def test_missing_headings_come_in_order():
    existing = "## [Unreleased]\n### Changed\n- It.\n### fixed\n- That.\n"
    messages = ("feat: a", "fix: b", "security: c", "deprecate: d")
    a, b, c, d = map(short, messages)
    assert update(existing, [section("", *messages)]) == (
        f"## [Unreleased]\n\n### Added\n\n- A ({a})\n\n### Changed\n- It.\n\n"
        f"### Deprecated\n\n- D ({d})\n\n### fixed\n- That.\n- B ({b})\n\n"
        f"### Security\n\n- C ({c})\n"
    )


def test_unreleased_grows_and_becomes_the_version():
    one = update("", [section("", "feat: one", previous="1.0.0")], url=URL)
    two = update(one, [section("", "feat: one", "feat: two", previous="1.0.0")], url=URL)
    assert two.count("[Unreleased]") == 2  # the heading and the reference
    assert two.count("One (") == two.count("Two (") == 1
    assert f"[Unreleased]: {URL}/compare/v1.0.0...HEAD\n" in two
    done = update(two, [section("1.1.0", "feat: one", "feat: two", previous="1.0.0")], url=URL)
    assert done.count("One (") == done.count("Two (") == 1
    assert section_text(done, "") == ""
    assert f"[Unreleased]: {URL}/compare/v1.1.0...HEAD\n" in done


def test_unreleased_is_made_where_it_is_missing():
    new = section("", "feat: one", previous="1.0.0")
    text = update("# History\n\n## 1.0.0\n\n- Old.\n", [new], url=URL)
    assert text == (
        "# History\n\n## [Unreleased]\n\n### Added\n\n"
        + entry("One", "feat: one")
        + f"\n## 1.0.0\n\n- Old.\n\n[Unreleased]: {URL}/compare/v1.0.0...HEAD\n"
    )
    assert update(text, [new], url=URL) == text
    assert update(text, [section("", "chore: tidy")], url=URL) == text


def test_a_preview_changes_nothing_and_has_one_heading_of_each():
    text = preview(HAND, section("", "feat: more"))
    assert text.startswith("We are proud.\n\n### Added\n\n* Basket")
    assert f"* More ({short('feat: more')})" in text
    assert "nreleased" not in text
    assert preview("", section("")) == ""
    assert preview("", section("", "fix: b")) == f"### Fixed\n\n- B ({short('fix: b')})"


def test_the_text_of_a_section():
    assert section_text(HAND, "1.0.0") == "### Fixed\n- Old   text stays\x20\x20"
    assert section_text(HAND.replace("\n", "\r\n"), "1.0.0").startswith("### Fixed\n- Old")
    assert section_text(HAND, "").endswith("### Notes\n\n- A note.")
    assert section_text(HAND, "2.0.0") == ""


def test_line_ends_a_mark_and_a_missing_end_are_kept():
    windows = "\ufeff" + HAND.replace("\n", "\r\n").removesuffix("\r\n")
    new = section("1.1.0", "feat: more", previous="1.0.0")
    text = update(windows, [new], url=URL)
    assert text.replace("\r\n", "\n") == "\ufeff" + update(HAND, [new], url=URL).removesuffix("\n")
    assert "\n" not in text.replace("\r\n", "")
    assert update("\r\n", [new]).count("\r\n") == update("", [new]).count("\n")


@pytest.mark.parametrize(
    "line",
    [
        "## [1.2.0] - 2024-01-01",
        "## 1.2.0 (2024-01-01)",
        "## v1.2.0",
        "# [1.2.0](https://example.org/a...b) (2024-01-01)",
        "### [1.2.0](https://example.org/a_(b)...c) (2024-01-01)",
        "## Version 1.2.0 - The Big One",
        "## 1.2.0 The Big One ##",
        "## 1.2",
        "## shop-v1.2.0",
        "## @shop/basket@1.2.0",
        "## Shop 1.2.0 (2024-01-01)",
        '## <a name="1.2.0"></a>1.2.0',
        "##  **1.2.0** \u2014 2024",
        "## ~~1.2.0~~ yanked",
        "  ## 1.2.0",
        "1.2.0\n-----",
        "v1.2.0 / 2024-01-01\n===================",
    ],
)
def test_other_styles_are_recognised(line):
    existing = f"Title\n\n{line}\n\n- Old.\n"
    assert changelog.versions(existing) in (["1.2.0"], ["1.2"])
    assert update(existing, [section("1.2.0", "feat: new")]) == existing
    assert section_text(existing, "1.2.0") == "- Old."


@pytest.mark.parametrize(
    "line",
    [
        "### 2.0 migration guide",
        "## Python-3.11 support is new",
        "## Using Python 3.11 for all",
        "## 1.x",
        "## 2024",
        "## 1. Start",
        "#### 1.2.0",
        "##1.2.0",
        "    ## 1.2.0",
        "- ## 1.2.0",
        "> ## 1.2.0",
        "text\n1.2.0\n-----",
        "- item\n1.2.0\n-----",
        "```\n## 1.2.0\n```",
        "~~~~\n```\n~~~\n## 1.2.0\n~~~~~",
        "- ```\n  ## 1.2.0\n  ```",
        "<!--\n## 1.2.0\n-->",
        "<pre>\n## 1.2.0\n</pre>",
        "---\ntitle: x\n# 1.2.0\n---",
    ],
)
def test_what_only_looks_like_a_section_is_none(line):
    existing = f"{line}\n\n## 1.0.0\n"
    assert changelog.versions(existing) == ["1.0.0"]


def test_a_fence_in_a_list_ends_with_its_item():
    assert changelog.versions("- ```\n  never closed\n\n## 1.0.0\n") == ["1.0.0"]


def test_the_other_forms_of_versions():
    found = [version_in(Heading(2, text, 0, 1)) for text in ("1.0.0rc1", "1.0-b.2+x.1", "v1.2.3.4")]
    assert found == ["1.0.0-rc.1", "1.0-b.2+x.1", "1.2.3.4"]
    assert identity("1.2.0") == identity("v1.2") != identity("1.2.0+b")
    assert identity("1.20") != identity("1.2")
    ordered = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-rc.2", "1.0.0-rc.10", "1", "1.0.1", "1.10"]
    assert [min(ordered[at:], key=order) for at in range(len(ordered))] == ordered


@pytest.mark.parametrize(
    ("existing", "before"),
    [
        ("- 2020: began\n", "- 2020"),
        ("# History\n\nAll of it.\n\n- 2020: began\n", "- 2020"),
        ("# History\n\nAll of it:\n- 2020: began\n", "All of it"),
        ("History\n=======\n<!-- flag -->\n\n## Older\n", "## Older"),
        ("---\ntitle: x\n---\n\n<p>Hm</p>\n\n```\nopen\n", "```"),
        ("# History\n\ntext\n```\nopen\n", "text"),
        ("# History\n\nAll of it.\n\n[a]: b\n", "[a]: b"),
    ],
)
def test_a_text_without_sections_gets_them_after_its_introduction(existing, before):
    text = update(existing, [section("1.0.0", "feat: a")])
    new = render(section("1.0.0", "feat: a"))
    assert text == existing.replace(before, f"{new}\n{before}")


def test_an_introduction_alone_is_followed_by_the_section():
    assert update("# History", [section("1.0.0")]) == "# History\n\n## [1.0.0] - 2026-11-21"


def test_a_section_that_ends_in_an_open_fence_stays_last():
    existing = "## [Unreleased]\n\n```\nopen\n"
    text = update(existing, [section("1.0.0", "feat: a"), section("", "fix: b")], url=URL)
    assert changelog.versions(text) == ["1.0.0"]
    assert text.endswith("\n\n```\nopen\n")
    assert section_text(text, "").startswith("### Fixed\n\n- B (")
    assert f"[1.0.0]: {URL}" not in text


def test_headings_at_another_level_are_followed():
    text = update("# 1.0.0\n\n## Fixed\n\n- x\n", [section("1.1.0", "feat: a")])
    assert text.startswith("# [1.1.0] - 2026-11-21\n\n## Added\n\n- A (")


def test_sections_that_follow_standard_version_hold_their_headings():
    existing = "### [1.0.1](x) (2020-01-01)\n\n### Bug Fixes\n\n- x\n\n## [1.0.0](x) (2020-01-01)\n"
    assert section_text(existing, "1.0.1") == "### Bug Fixes\n\n- x"


def test_the_outline_says_what_is_hidden():
    lines = split_lines("<!-- a -->\n<!--\n-->\n```\n```\n[a]: b 'title'\n[^1]: note\n")
    found = outline(lines)
    assert found.hidden == {0: 1, 1: 3, 3: 5}
    assert found.comments == {0, 1}
    assert [(item.label, item.address) for item in found.references] == [("a", "b")]


def _calls(count):
    """How many calls it takes to write, read and extend a changelog of so many versions."""
    sections = [
        section(f"1.{number}.0", f"feat(a): number {number}", f"fix: <b>number {number}")
        for number in range(count)
    ]
    calls = 0

    def counted(frame, event, arg):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        text = update("", sections[::2], url=URL)
        text = update(text, sections, url=URL)
        section_text(text, "1.1.0")
    finally:
        sys.setprofile(None)
    assert len(changelog.versions(text)) == count
    return calls


def test_the_work_grows_with_the_history_and_no_faster():
    assert _calls(400) < 2.2 * _calls(200)


@pytest.mark.parametrize(
    "line",
    [
        "# " + "1-" * 50_000,
        "# 1." + "1." * 50_000,
        "#" + " " * 100_000 + "#x",
        "`" * 100_000 + "x`",
        "- " * 50_000 + "x",
        "<" * 100_000,
        "[" * 100_000,
        "[a]:" + " " * 100_000,
    ],
)
def test_hostile_lines_are_read_at_once(line):
    existing = f"{line}\n\n## 1.0.0\n"
    assert changelog.versions(existing)[-1:] == ["1.0.0"]
    message = Message("fix", "", f"{line} ` `` ```" + " `x" * 10_000)
    text = render(Section("1.0.0", "", "", "", [Change(commit("x"), message)]))
    assert text.count("\n") == 5


def test_the_note_of_a_breaking_change_keeps_its_list():
    note = (
        "the keys moved\nto one file.\n\nMigration:\n- rename a\n  to b\n* drop c\n\nThen restart."
    )
    told = section("2.0.0", f"feat(api)!: one file\n\nBREAKING CHANGE: {note}\n\nRefs: #4")
    text = render(told)
    name = told.changes[0].commit.sha[:7]
    assert (
        f"- **api**: The keys moved to one file. Migration: ({name})\n"
        "  - Rename a to b\n"
        "  - Drop c\n"
        "  - Then restart.\n"
    ) in text
    once = update("", [told])
    assert update(once, [told]) == once


def test_a_list_goes_into_a_section_that_people_wrote():
    unreleased = section("", "feat!: one file\n\nBREAKING CHANGE:\n- rename a\n- drop c")
    existing = "## [Unreleased]\r\n\r\n### Breaking\r\n\r\n* By hand\r\n"
    once = update(existing, [unreleased])
    assert "* By hand\r\n* One file (" in once
    assert "\r\n  * Rename a\r\n  * Drop c\r\n" in once
    assert update(once, [unreleased]) == once
