"""The patterns of `promote.include` and `exclude` choose what Git's own would."""

import pytest
from pathspec import GitIgnoreSpec

from towline.promotion.sources import matching

NAMES = [
    "main.py", "main.pyc", "a/main.pyc", "a/main.pyc/inside", "__pycache__/x", "a/__pycache__/x.py",
    "__pycache__", ".env", "a/.env", ".env.prod", ".env.example", "a/.env.example", "docs/a b.md",
    "docs/x.md", "docs/deep/x.md", "build/x", "src/build/x", "strange\nname.pyc", "ü/ß.pyc", "?x",
]  # fmt: skip


@pytest.mark.parametrize("patterns", [
    ["__pycache__/", "*.pyc", ".pytest_cache/", ".env", ".env.*", "!.env.example"],
    ["docs/", "!docs/deep/"], ["docs/**", "!docs/x.md"], ["/build", "a/*"], ["**/x", "\\?x"],
    ["!main.py"], ["# nothing", ""], [], ["*", "!*.md"], ["[a-m]*.py", "?x"], ["a b.md"],
])  # fmt: skip
def test_the_same_names_are_chosen(patterns):
    assert matching(patterns, NAMES) == set(GitIgnoreSpec.from_lines(patterns).match_files(NAMES))
