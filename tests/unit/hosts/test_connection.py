"""Commands as they are quoted for the login shell of a host."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.hosts.connection import quoted

SHELLS = [name for name in ("sh", "bash", "dash", "csh", "tcsh") if shutil.which(name)]
WORDS = ["a b", "'", '"', "\\", "\\n", "$(echo x)", "`x`", "%s", "", "ä", "one\ntwo\n", "\\\\\n\\"]


def by(shell, words):
    """What a program is given when a login shell runs a command."""
    command = quoted(["printf", "%s\\0", *words])
    done = subprocess.run([shell, "-c", command], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_word_arrives_as_it_is(shell):
    assert by(shell, WORDS) == WORDS


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_any_word_arrives(words):
    assert by("sh", words) == (words or [""])


def test_no_line_break_reaches_a_login_shell():
    assert "\n" not in quoted(["sh", "-c", "one\ntwo"])
