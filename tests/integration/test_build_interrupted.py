"""Ctrl-C in a build: it ends at once, on the engine too, and nothing was changed."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from loadgen import wait_until
from projects import remove
from toy import release, toy


@pytest.fixture
def project(tmp_path):
    made = toy(tmp_path, router=False, rollout=", strategy: recreate")
    yield made
    remove(made)


def is_running(*words):
    """Whether a process of this machine, or of an engine on it, has these arguments."""
    wanted = b"\0".join(word.encode() for word in words)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().rstrip(b"\0") == wanted:
                return True
    return False


def test_it_ends_at_once_and_leaves_nothing(project):
    file = project.root / "deploy/docker/Dockerfile"
    seconds = str(3600 + os.getpid() % 1000 + project.http)
    file.write_text(file.read_text().replace("USER", f'RUN ["sleep", "{seconds}"]\nUSER'))
    release(project, "1.0.0")
    told = {
        ("build",): (130, "interrupted"),
        ("deploy", "--skip-check", "--yes"): (1, "interrupted by SIGINT at step build; nothing"),
    }
    for command, (code, said) in told.items():
        process = project.start(*command)
        wait_until(lambda: is_running("sleep", seconds), "no build begins", limit=60)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        text = process.communicate(timeout=30)[0]
        assert time.monotonic() - began < 10, text
        assert process.returncode == code, text
        assert said in text
        wait_until(lambda: not is_running("sleep", seconds), "the build goes on")
    status = project.inv("status", "--json").json
    assert (status["interrupted"], status["lock"]) == (None, None)
