"""A child process that ends when it is told to, with all that it started."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

# Seconds between two questions whether it is to go on.
_POLL = 0.1
# Seconds that what is to end has for it.
_GRACE = 3.0


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout: float,
    check_cancelled: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a session of its own, so that Ctrl-C reaches Towline and not its child.

    Whatever is raised while it runs, by a signal or by `check_cancelled`, ends it first: it and all
    that it started get SIGTERM, and SIGKILL when that does not end them.

    Args:
        argv: Program and arguments.
        env: All of its variables.
        timeout: Seconds.
        check_cancelled: Asked again and again; raises when the command is to end.

    Raises:
        FileNotFoundError: When the program is not installed.
        TimeoutExpired: When it does not end in time.
    """
    process = subprocess.Popen(
        list(argv),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = _finish(process, timeout, check_cancelled)
    except BaseException:
        _end(process)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _finish(
    process: subprocess.Popen[str], timeout: float, check_cancelled: Callable[[], None] | None
) -> tuple[str, str]:
    ends = time.monotonic() + timeout
    while True:
        left = ends - time.monotonic()
        try:
            return process.communicate(
                timeout=left if check_cancelled is None else min(_POLL, left)
            )
        except subprocess.TimeoutExpired:
            if check_cancelled is None or time.monotonic() >= ends:
                raise
        check_cancelled()


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and its group; whoever sends a second signal does not keep it alive."""
    try:
        _signal(process, signal.SIGTERM)
        ends = time.monotonic() + _GRACE
        # What it started may need longer than it does.
        while _signal(process, 0) and time.monotonic() < ends:
            process.poll()
            time.sleep(0.02)
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def _signal(process: subprocess.Popen[str], number: int) -> bool:
    """Send a signal to all of the group; False when nothing is left of it."""
    # The group keeps its number for as long as one process is in it.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
        return True
    return False
