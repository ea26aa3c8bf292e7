import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.errors import TowlineError
from towline.hosts.local import LocalFiles
from towline.rollout.journal import Journal, unfinished


@pytest.fixture
def journal(tmp_path):
    return Journal(LocalFiles(), tmp_path / "journal.jsonl")


def again(journal):
    """The same file as another process reads it."""
    return Journal(journal.files, journal.path)


def test_entries_come_back_in_order_and_chained(journal):
    journal.write("a", "begin", data={"kind": "deploy"})
    with journal.step("a", "switch") as outcome:
        outcome["note"] = "done"
    again(journal).write("a", "end", data={"ok": True})
    entries = again(journal).entries()
    assert [e["event"] for e in entries] == ["begin", "intent", "outcome", "end"]
    assert [e["seq"] for e in entries] == [1, 2, 3, 4]
    assert entries[2]["data"] == {"ok": True, "note": "done"}
    assert again(journal).verify() == []


def test_a_failing_step_leaves_its_reason(journal):
    with pytest.raises(ValueError, match="no"), journal.step("a", "start"):
        raise ValueError("no")
    assert journal.entries()[-1]["data"] == {"ok": False, "error": "no"}


def test_the_intention_is_on_disk_before_the_body_runs(journal):
    with journal.step("a", "start"):
        assert again(journal).entries()[-1]["event"] == "intent"


@given(line=st.integers(0, 4), change=st.sampled_from(["edit", "drop", "swap"]))
def test_any_change_shows(tmp_path_factory, line, change):
    journal = Journal(LocalFiles(), tmp_path_factory.mktemp("journal") / "j")
    for number in range(6):
        journal.write("op", "note", data={"n": number})
    lines = journal.path.read_text().splitlines()
    if change == "edit":
        entry = json.loads(lines[line])
        entry["data"]["n"] = 99
        lines[line] = json.dumps(entry)
    elif change == "drop":
        del lines[line]
    else:
        lines[line], lines[line + 1] = lines[line + 1], lines[line]
    journal.path.write_text("\n".join(lines) + "\n")
    assert again(journal).verify()


def test_a_half_written_last_line_is_named_and_repaired(journal):
    journal.write("a", "begin")
    journal.write("a", "note")
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-30])
    assert len(again(journal).entries()) == 1
    assert "half-written" in again(journal).verify()[0]
    again(journal).write("b", "begin")
    assert [e["op"] for e in again(journal).entries()] == ["a", "b"]
    assert again(journal).verify() == []


def test_a_broken_line_in_the_middle_is_refused(journal):
    journal.write("a", "begin")
    journal.path.write_text("nonsense\n" + journal.path.read_text())
    with pytest.raises(TowlineError, match=r"journal.jsonl:1 is not a journal entry"):
        again(journal).entries()


def test_what_is_written_is_redacted(tmp_path):
    journal = Journal(LocalFiles(), tmp_path / "j", lambda data: dict.fromkeys(data, "[redacted]"))
    journal.write("a", "note", data={"password": "hunter22"})
    assert "hunter22" not in (tmp_path / "j").read_text()


def test_unfinished_names_the_step(journal):
    assert unfinished(journal.entries()) is None
    journal.write("a", "begin", data={"kind": "deploy", "release": "1.1.0"})
    journal.write("a", "intent", "switch")
    found = unfinished(journal.entries())
    assert found is not None
    assert (found.kind, found.release, found.step) == ("deploy", "1.1.0", "switch")
    journal.write("a", "end", data={"ok": True})
    assert unfinished(journal.entries()) is None


def test_the_journal_is_private(journal):
    journal.write("a", "begin")
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_damage_is_told_from_a_crash_and_can_be_set_aside(journal):
    journal.write("a", "begin")
    journal.write("a", "end")
    assert not journal.is_damaged()
    with journal.path.open("a") as file:
        file.write('{"half')
    assert not journal.is_damaged()
    text = journal.path.read_text()
    for spoilt in (text.replace('"begin"', '"began"'), "no line\n" + text):
        journal.path.write_text(spoilt)
        assert journal.is_damaged()
    place = journal.set_aside()
    assert place.read_text().startswith("no line")
    journal.write("b", "begin")
    assert [entry["op"] for entry in journal.entries()] == ["b"]
    assert journal.verify() == []
