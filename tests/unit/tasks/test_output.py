"""The exit: secrets, control characters and readers that go away."""

import io
import os
import subprocess
import sys

import pytest
from invoke import Exit

from towline.config.redaction import KNOWN, excerpt
from towline.errors import TowlineError
from towline.tasks import cli, output, terminal

SECRET = "pl4nted/s3cret=value"


@pytest.fixture
def told(capsys):
    KNOWN.learn({"API_TOKEN": SECRET})
    return lambda: "".join(capsys.readouterr())


def test_no_way_out_shows_a_secret(told):
    terminal.say(f"said {SECRET}")
    terminal.tell(f"told {SECRET}")
    terminal.say_raw(f"raw {SECRET}")
    terminal.say_json("status", {SECRET: [f'"{SECRET}"']})
    terminal.table([SECRET], [[f"cell {SECRET}"]])
    terminal.complain(f"bad {SECRET}", [f"detail {SECRET}"], f"remedy {SECRET}")
    with terminal.Steps().step(f"step {SECRET}") as note:
        terminal.Steps().say(f"middle {SECRET}")
        note.text, note.hosts = f"note {SECRET}", [("web1", f"host {SECRET}")]
    said = told()
    assert said.count("[redacted]") == 14
    assert "s3cret" not in said


def test_a_traceback_passes_the_exit_too(told):
    with pytest.raises(Exit) as left, cli.outcome():
        raise KeyError(f"no {SECRET}")
    said = told()
    assert left.value.code == 1
    assert "Traceback" in said
    assert "[redacted]" in said
    assert "s3cret" not in said


def test_an_error_on_purpose_has_no_traceback(told):
    with pytest.raises(Exit), cli.outcome():
        raise TowlineError(f"no {SECRET}")
    assert told() == "error  no [redacted]\n"


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("a\x1b[2K\x1b[1A1.1.0 is live", r"a\x1b[2K\x1b[1A1.1.0 is live"),
        ("a\r1.1.0 is live", r"a\r1.1.0 is live"),
        ("\x1b[32mgreen\x1b[0m", r"\x1b[32mgreen\x1b[0m"),
        ("\x9b2K \x07 \x08 \x7f", r"\x9b2K \x07 \x08 \x7f"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("line\r\n\tnext", "line\n\tnext"),
        ("café ✓ 日本", "café ✓ 日本"),
    ],
)
def test_foreign_control_characters_are_shown_and_not_obeyed(foreign, shown):
    assert output.clean(foreign) == shown


def test_a_foreign_text_inside_of_our_colour_gets_none_of_its_own(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    painted = output.paint("1.0.0\x1b[8m", "green", sys.stdout)
    assert output.clean(painted) == "\x1b[32m1.0.0\\x1b[8m\x1b[0m"


def test_a_reader_that_goes_away_stops_nobody(monkeypatch):
    """As in `inv deploy 2>&1 | head -1`: the step after it must be done as if nothing was."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        os.close(reading)
        done = []
        with terminal.Steps().step("switch"):
            done.append("switched")
        terminal.tell("and more")
    assert done == ["switched"]


def test_a_stream_that_lacks_our_characters_gets_what_it_has(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))
    with terminal.Steps().step("switch"):
        pass
    assert b"switch" in raw.getvalue()


def test_nothing_prints_but_the_exit():
    """A `print` elsewhere would pass no redaction."""
    root = output.__file__.rpartition("/")[0]
    argv = ["grep", "-rnE", r"\bprint\(|std(out|err)\.write|stream\.write", root, "--include=*.py"]
    found = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()
    assert {line.rpartition("/")[2].partition(":")[0] for line in found} == {"output.py"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://u:hunter2x@host/", "GET https://u:[redacted]@host/"),
        ("https://ghs9f8e7d6c5b4a@git.example/x", "https://[redacted]@git.example/x"),
        ("ssh://deploy1234567@host", "ssh://deploy1234567@host"),
        ("http://h:8080/users/@me", "http://h:8080/users/@me"),
        ("https://b.example/x?sv=1&sig=Zm9vYmFy%3D&se=2", "https://b.example/x?sv=1&sig=[redacted]&se=2"),
        ("Authorization: Bearer abc123def456ghi", "Authorization: Bearer [redacted]"),
        ("Basic authentication is wanted", "Basic authentication is wanted"),
        ("key sk_live_4eC39HqLyjWD", "key [redacted]"),
        ("https://hooks.slack.com/services/T00/B00/x1y2", "https://hooks.slack.com/services/[redacted]"),
        ("redis://:{REDIS_PASSWORD}@redis:6379", "redis://:{REDIS_PASSWORD}@redis:6379"),
        ("/items?key=1&page=2", "/items?key=1&page=2"),
    ],
)  # fmt: skip
def test_what_nobody_told_us_of_is_known_by_its_shape(text, shown):
    assert output.clean(text) == shown
    assert output.clean(shown) == shown


def test_a_text_is_masked_before_it_is_cut():
    KNOWN.learn({"API_TOKEN": SECRET})
    page = f"<html><head><style>b {{}}</style></head><b>no\n database</b> at {SECRET} today"
    assert excerpt(page, 31) == "no database at [redacted] today"
    assert excerpt(f"{'x' * 10} {SECRET}", 15) == "xxxxxxxxxx [red"


def test_a_service_named_like_its_password_is_shown():
    KNOWN.learn({"POSTGRES_PASSWORD": "postgres", "API_TOKEN": SECRET})
    assert output.clean("postgres runs") == "[redacted] runs"
    KNOWN.publish(["postgres"])
    assert output.clean(f"postgres runs with {SECRET}") == "postgres runs with [redacted]"


def test_the_content_of_a_secret_file_is_masked():
    KNOWN.learn_file('{"user": "shop", "private_key": "k-90210-xyz", "id": "not-secret"}\n')
    KNOWN.learn_file("hunter22-line\nSMTP_PASSWORD = 'quoted-pw-7'\n")
    said = output.clean("k-90210-xyz hunter22-line quoted-pw-7 shop not-secret")
    assert said == "[redacted] [redacted] [redacted] shop not-secret"
