"""Runs `inv` in a fork of a process that has imported Towline already: see `fork_server.py`."""

import atexit
import functools
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SERVER = Path(__file__).with_name("fork_server.py")
# What Python and the C library read when a process starts: a fork cannot change it.
AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")


def can_fork(environ):
    """Whether a program with this environment starts as one with ours does."""
    return read_at_start(environ) == read_at_start(os.environ)


def read_at_start(environ):
    return {name: text for name, text in environ.items() if name.startswith(AT_START)}


@functools.cache
def server():
    """The socket of the server, which ends when this process does."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        subprocess.Popen(
            [sys.executable, str(SERVER), str(its.fileno())],
            # Coverage starts in the forks, each by itself.
            env={**os.environ, "COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""},
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
        )
    atexit.register(ours.close)
    return ours


def run(arguments, *, module="", cwd, env, timeout):
    """What `subprocess.run` of Python with a program does, output captured as text.

    Without a fork where the environment says how Python starts.

    Args:
        arguments: Those of the module; without one a program and its arguments.
        module: What `python -m` would run.
        cwd: The working folder.
        env: The whole environment.
        timeout: Seconds; the process is killed then.

    Raises:
        subprocess.TimeoutExpired: It did not end in time.
    """
    if not can_fork(env):
        return run_anew(arguments, module=module, cwd=cwd, env=env, timeout=timeout)
    arguments = [str(word) for word in arguments]
    environ = {name: str(text) for name, text in env.items()}
    asked = {"folder": str(cwd), "environ": environ, "module": module, "arguments": arguments}
    pipes = [os.pipe() for _ in range(3)]
    socket.send_fds(server(), [json.dumps(asked).encode()], [write for _, write in pipes])
    for _, write in pipes:
        os.close(write)
    out, err, answer = (bytearray() for _ in pipes)
    try:
        ends = [read for read, _ in pipes]
        drain(dict(zip(ends, (out, err, answer), strict=True)), timeout)
    except TimeoutError:
        os.kill(int(answer.split()[0]), signal.SIGKILL)
        raise subprocess.TimeoutExpired([module, *arguments], timeout) from None
    _, status = answer.split()
    code = os.waitstatus_to_exitcode(int(status))
    return subprocess.CompletedProcess([module, *arguments], code, text(out), text(err))


def run_anew(arguments, *, module="", cwd, env, timeout):
    """The same, without a fork."""
    start = ["-m", module] if module else []
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def text(said):
    """As `subprocess` translates it."""
    return said.decode().replace("\r\n", "\n").replace("\r", "\n")


def drain(pipes, timeout):
    """Read pipes until all of them end, and close them."""
    deadline = time.monotonic() + timeout
    try:
        with selectors.DefaultSelector() as selector:
            for end in pipes:
                selector.register(end, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0, deadline - time.monotonic()))
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    part = os.read(key.fd, 65536)
                    pipes[key.fd] += part
                    if not part:
                        selector.unregister(key.fd)
    finally:
        for end in pipes:
            os.close(end)
