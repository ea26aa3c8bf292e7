"""Folders for a moment: closed, gone afterwards, and those of killed processes removed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from towline import scratch

HOLDER = """
import sys, time
from towline import scratch
from towline.rollout.signals import cleaning

with cleaning(), scratch.folder() as folder:
    (folder / "env").write_text("TOKEN=s3cret")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holder(place, *before):
    """A process that holds a folder, and the folder; `before` starts it."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", HOLDER],
        env={**os.environ, "TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return process, Path(process.stdout.readline().strip())


def end(process, number):
    process.send_signal(number)
    process.communicate(timeout=60)
    return process.returncode


def test_it_is_closed_to_others_and_gone_afterwards(place):
    with scratch.folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "env").write_text("TOKEN=s3cret")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_takes_it_along(place, number):
    process, folder = holder(place)
    assert end(process, number) == 128 + number
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed_by_the_next_and_nothing_else(place):
    process, left = holder(place)
    other, used = holder(place)
    end(process, signal.SIGKILL)
    assert (left / "env").exists()
    foreign = [place / name for name in ("towline-notes", "towline-1234abcd-1-x", "other")]
    for path in foreign:
        path.mkdir()
    target = place / "target"
    target.mkdir()
    link = place / left.name.replace(left.name[-4:], "abcd")
    link.symlink_to(target)
    with scratch.folder():
        assert not left.exists()
        assert (used / "env").exists()
        assert all(path.is_dir() for path in (*foreign, link, target))
    end(other, signal.SIGTERM)


def test_of_another_boot_only_what_is_old_is_removed(place):
    old, young = place / "towline-1234abcd-1-x", place / "towline-1234abcd-2-x"
    for path in (old, young):
        path.mkdir()
    os.utime(old, (0, 0))
    with scratch.folder():
        assert not old.exists()
        assert young.exists()


@pytest.mark.parametrize(
    ("number", "ends"), [(signal.SIGHUP, False), (signal.SIGTERM, True)], ids=["HUP", "TERM"]
)
def test_under_nohup_a_closed_terminal_ends_nothing(place, number, ends):
    process, folder = holder(place, "nohup")
    process.send_signal(number)
    if ends:
        assert process.wait(60) == 128 + number
    else:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    assert folder.exists() == (not ends)
    end(process, signal.SIGTERM)
