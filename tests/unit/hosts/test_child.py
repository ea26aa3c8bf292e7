"""A command ends at once when it is told to, with all that it started."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from towline.errors import TowlineError
from towline.hosts import child
from towline.hosts.local import LocalHost


class Stop(Exception):
    pass


def stop_when_written(*files):
    ends = time.monotonic() + 60

    def check_cancelled():
        if all(file.exists() and file.read_text() for file in files) or time.monotonic() > ends:
            raise Stop

    return check_cancelled


def is_running(pid):
    try:
        # A process that ended and that nobody waited for has no command line.
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def gone(*files):
    """Whether the processes whose numbers lie in these files end."""
    ends, pids = time.monotonic() + 30, [int(file.read_text()) for file in files]
    while any(map(is_running, pids)) and time.monotonic() < ends:
        time.sleep(0.05)
    return not any(map(is_running, pids))


# A command that starts another one; each writes its number down when it is ready.
SCRIPT = 'sh -c \'%s echo $$ > "$0/other"; exec sleep 60\' "$1" & %s echo $$ > "$1/own"; wait'


def both(folder):
    return folder / "own", folder / "other"


def started(folder, other="", own=""):
    return ["sh", "-c", SCRIPT % (other, own), "sh", str(folder)]


def test_what_is_asked_to_stop_takes_along_what_it_started(tmp_path):
    began = time.monotonic()
    with pytest.raises(Stop):
        LocalHost().run(started(tmp_path), check_cancelled=stop_when_written(*both(tmp_path)))
    assert time.monotonic() - began < 30
    assert gone(*both(tmp_path))


@pytest.mark.parametrize(("other", "own"), [("trap '' TERM;", ""), ("", "trap '' TERM;")])
def test_whoever_does_not_listen_is_killed_after_a_while(tmp_path, monkeypatch, other, own):
    monkeypatch.setattr(child, "_GRACE", 0.4)
    with pytest.raises(Stop):
        LocalHost().run(
            started(tmp_path, other, own), check_cancelled=stop_when_written(*both(tmp_path))
        )
    assert gone(*both(tmp_path))


def test_what_takes_too_long_takes_along_what_it_started(tmp_path):
    with pytest.raises(TowlineError, match="sh did not end within 2 s"):
        LocalHost().run(started(tmp_path), timeout=2)
    assert gone(*both(tmp_path))


def test_it_has_time_to_clean_up(tmp_path):
    argv = [
        "sh",
        "-c",
        'trap \'echo done > "$0/done"; exit 1\' TERM; echo yes > "$0/ready"; sleep 60 & wait',
        str(tmp_path),
    ]
    with pytest.raises(Stop):
        LocalHost().run(argv, check_cancelled=stop_when_written(tmp_path / "ready"))
    assert (tmp_path / "done").read_text() == "done\n"


def test_nothing_that_it_says_is_lost():
    code = "import sys; print('x' * 300_000); print('y' * 300_000, file=sys.stderr); sys.exit(3)"
    asked = []
    result = LocalHost().run(
        ["sh", "-c", f'sleep 0.3; exec "{sys.executable}" -c "$0"', code],
        check_cancelled=lambda: asked.append(1),
    )
    assert (result.code, len(result.out), len(result.err)) == (3, 300_001, 300_001)
    assert asked


PROGRAM = """
    import sys
    from towline.hosts.local import LocalHost
    from towline.rollout.signals import cleaning

    with cleaning():
        LocalHost().run(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_ends_command_and_child_also_in_the_background(tmp_path, number, code):
    """A shell that starts something in the background makes it ignore SIGINT."""
    program = textwrap.dedent(PROGRAM)
    inner = [sys.executable, "-c", program, *started(tmp_path)]
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *inner],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    ends = time.monotonic() + 60
    while not all(file.exists() for file in both(tmp_path)) and time.monotonic() < ends:
        time.sleep(0.05)
    began = time.monotonic()
    os.kill(process.pid, number)
    assert process.wait(50) == code
    assert time.monotonic() - began < 30
    assert gone(*both(tmp_path))
