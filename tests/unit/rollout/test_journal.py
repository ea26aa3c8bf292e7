import json
import os
import resource
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.errors import TowlineError
from towline.hosts.local import LocalFiles
from towline.state.journal import Journal, unfinished


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


@contextmanager
def largest_file(size):
    """No file can grow beyond a size: what a full disk does in the middle of a line."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_does_not_fit_leaves_nothing_of_itself(journal):
    journal.write("a", "begin")
    size = journal.path.stat().st_size
    with largest_file(size + 50), pytest.raises(OSError, match="too large"):
        journal.write("a", "note", data={"reason": "x" * 500})
    assert journal.path.stat().st_size == size
    journal.write("a", "end")
    assert [entry["event"] for entry in again(journal).entries()] == ["begin", "end"]
    assert again(journal).verify() == []


def test_after_a_failed_append_it_reads_what_the_file_ends_with(journal, monkeypatch):
    """A connection that breaks may have written all of a line, half of it or nothing."""
    append = journal.files.append
    for part in (0, 40, None):

        def cut(path, data, part=part):
            append(path, data[:part] if part is not None else data)
            raise ConnectionResetError("reset")

        journal.write("a", "begin")
        with monkeypatch.context() as patched:
            patched.setattr(journal.files, "append", cut)
            with pytest.raises(ConnectionResetError):
                journal.write("a", "note")
        journal.write("a", "end")
        assert again(journal).verify() == []


def test_what_someone_else_appended_meanwhile_stays(tmp_path, monkeypatch):
    path = tmp_path / "j"
    fsync = os.fsync

    def slept(handle):
        fsync(handle)
        path.write_bytes(path.read_bytes() + b"theirs\n")
        raise OSError("no")

    LocalFiles().append(path, b"one\n")
    monkeypatch.setattr("towline.hosts.local.os.fsync", slept)
    with pytest.raises(OSError, match="no"):
        LocalFiles().append(path, b"ours\n")
    assert path.read_bytes() == b"one\nours\ntheirs\n"


def test_repairing_a_half_line_needs_no_room(journal):
    journal.write("a", "begin")
    journal.write("a", "end")
    whole = journal.path.read_bytes()
    last = whole[whole.index(b"\n") + 1 :]
    journal.path.write_bytes(whole + last[:-30])
    inode = journal.path.stat().st_ino
    with largest_file(len(whole)), pytest.raises(OSError, match="too large"):
        again(journal).write("b", "begin")
    assert journal.path.read_bytes() == whole
    again(journal).write("b", "begin")
    assert journal.path.stat().st_ino == inode
    assert again(journal).verify() == []


GARBAGE = [
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"{}",
    b"",
    b"nonsense",
    b"\xff\xfe\x00\x80",
    b'{"seq": "1", "at": 3, "op": [], "event": null}',
    b"[" * 100_000,
    b"1" * 5000,
    b'{"v":1,"seq":1,"at":"yesterday","op":"a","event":"begin","step":"","data":{},"prev":"","hash":""}',
    b'{"v":1,"seq":1,"at":"2026-01-01","op":"a","event":"begin","step":"","data":{},"prev":"","hash":""}',
    b'{"v":1,"seq":1,"at":"2026-01-01T00:00:00Z","op":"a","event":"begin","step":"","data":[],"prev":"","hash":""}',
]


@pytest.mark.parametrize("place", ["before", "between", "after"])
@pytest.mark.parametrize("line", GARBAGE, ids=range(len(GARBAGE)))
def test_whatever_a_line_holds_it_is_named_and_the_rest_is_read(journal, line, place):
    journal.write("a", "begin", data={"kind": "deploy"})
    journal.write("a", "end", data={"ok": True})
    lines = journal.path.read_bytes().splitlines()
    number = {"before": 0, "between": 1, "after": 2}[place]
    lines.insert(number, line)
    journal.path.write_bytes(b"\n".join(lines) + b"\n")
    spoilt = again(journal)
    wrong = f"{journal.path}:{number + 1} is not a journal entry"
    assert wrong in spoilt.verify()
    assert spoilt.failure() == spoilt.verify()[0]
    assert [[entry["event"] for entry in found] for found in spoilt.recent()] == [["begin", "end"]]
    for strict in (spoilt.entries, spoilt.newest, lambda: spoilt.write("b", "begin")):
        with pytest.raises(TowlineError, match="is not a journal entry") as error:
            strict()
        assert error.value.remedy
    place = spoilt.set_aside()
    assert line in place.read_bytes()
    spoilt.write("b", "begin")
    assert spoilt.verify() == []


@given(content=st.binary(max_size=300))
def test_no_content_makes_it_fail(tmp_path_factory, content):
    journal = Journal(LocalFiles(), tmp_path_factory.mktemp("journal") / "j")
    journal.path.write_bytes(content)
    journal.verify()
    assert list(journal.recent()) == []
    if journal.is_damaged():
        journal.set_aside()
    journal.write("a", "begin")
    assert journal.verify() == []


def test_two_that_are_set_aside_in_one_second_are_both_kept(journal):
    for text in ("one\n", "two\n"):
        journal.path.write_text(text)
        assert journal.set_aside().read_text() == text
    assert len(list(journal.path.parent.iterdir())) == 2


def test_why_a_step_failed_is_told_although_the_journal_cannot_be_written(journal, monkeypatch):
    def full(path, data):
        raise OSError("No space left on device")

    def fail():
        monkeypatch.setattr(journal.files, "append", full)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), journal.step("a", "start"):
        fail()


def operation(journal, name, notes=1):
    journal.write(name, "begin", data={"kind": "deploy"})
    for number in range(notes):
        journal.write(name, "note", data={"n": number})
    journal.write(name, "end", data={"ok": True})


def test_old_operations_move_to_files_of_their_own(journal, monkeypatch):
    monkeypatch.setattr("towline.state.journal.SEGMENT", 7)
    for number in range(10):
        operation(again(journal), f"op{number}")
    folder = journal.path.with_name("journal.jsonl.d")
    assert [item.name for item in sorted(folder.iterdir())] == [
        "00000001.jsonl",
        "00000010.jsonl",
        "00000019.jsonl",
    ]
    assert {item.stat().st_mode & 0o777 for item in folder.iterdir()} == {0o600}
    assert [e["seq"] for e in again(journal).entries()] == list(range(1, 31))
    assert again(journal).verify() == []
    assert [found[0]["op"] for found in again(journal).recent()] == [
        f"op{number}" for number in reversed(range(10))
    ]
    (folder / "00000010.jsonl").unlink()
    assert "a line before it is missing" in again(journal).verify()[0]


def test_everyday_work_reads_the_newest_file_only(journal, monkeypatch):
    monkeypatch.setattr("towline.state.journal.SEGMENT", 7)
    for number in range(10):
        operation(again(journal), f"op{number}")
    read, seen = journal.files.read, []
    monkeypatch.setattr(journal.files, "read", lambda path: seen.append(path.name) or read(path))
    assert unfinished(again(journal).newest()) is None
    assert next(again(journal).recent())[0]["op"] == "op9"
    again(journal).write("x", "note")
    assert set(seen) == {"journal.jsonl"}


@pytest.mark.parametrize("point", ["write", "sync_folder"])
@pytest.mark.parametrize("number", [1, 2])
def test_killed_while_it_begins_a_file_nothing_is_lost(journal, monkeypatch, point, number):
    monkeypatch.setattr("towline.state.journal.SEGMENT", 3)
    operation(journal, "a")
    operation(journal, "b")
    count = 0

    def killed(*arguments):
        nonlocal count
        count += 1
        if count == number:
            raise KeyboardInterrupt
        getattr(LocalFiles, point)(journal.files, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(journal.files, point, killed)
        with pytest.raises(KeyboardInterrupt):
            journal.write("c", "begin")
    before = [entry["op"] for entry in again(journal).entries()]
    assert before[:6] == ["a"] * 3 + ["b"] * 3
    operation(again(journal), "d")
    assert again(journal).verify() == []
    assert [entry["op"] for entry in again(journal).entries()] == [*before, *["d"] * 3]


def test_without_room_for_a_copy_it_goes_on_in_the_file(journal, monkeypatch):
    monkeypatch.setattr("towline.state.journal.SEGMENT", 3)
    operation(journal, "a")

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(journal.files, "write", full)
    operation(journal, "b")
    assert len(again(journal).entries()) == 6
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
