"""Runs Python programs by forking a process that has imported Towline already.

A test on a real engine runs `inv` dozens of times, and most of what each costs is to start Python
and to import the same libraries. This process imports them once and forks for each command. What
begins in the fork is what `python -m invoke` or `python program.py` begins: environment, working
folder, standard streams, signals, `sys.argv`, `sys.path`, and coverage when it is asked for. It
ends as a program does. Only what is before its first line is not repeated, and its arguments are
not in the list of processes: who tests that starts a process (`Project.start`, `forks = False`).

The other end is `forking.py`. A request is one packet: JSON, with three file descriptors: standard
output, standard error, and a pipe that gets two lines: the process's id, and in the end its status.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import threading
import time

LIBRARIES = (
    "coverage.sqldata",
    "coverage.tracer",
    "cryptography.x509",
    "docker",
    "fabric",
    "httpx",
    "invoke.main",
    "jinja2",
    "paramiko",
    "websockets.sync.client",
)
SIZE = 1 << 20


def load():
    """Import what the commands will import, and run nothing."""
    for name in LIBRARIES:
        importlib.import_module(name)
    import towline
    import towline.tasks

    for package in (towline, towline.tasks):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    assert threading.active_count() == 1, "a fork has one thread: what it imports may start none"
    # What is never collected is never written to, and stays shared with every fork.
    gc.collect()
    gc.freeze()


def become(request, streams):
    """Make this fork what the request asks for, and run its program."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    null = os.open(os.devnull, os.O_RDONLY)
    for target, given in enumerate((null, *streams)):
        os.dup2(given, target)
        os.close(given)
    if os.environ.get("COVERAGE_PROCESS_CONFIG") or os.environ.get("COVERAGE_PROCESS_START"):
        import coverage

        coverage.process_startup(slug="fork")
    if request["module"]:
        sys.path[0] = request["folder"]
        sys.argv = ["-m", *request["arguments"]]
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    else:
        program, *arguments = request["arguments"]
        sys.path[0] = os.path.dirname(program)  # noqa: PTH120 - what Python itself puts there
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")


def serve(requests):
    """Fork for each request, until the process at the other end is gone.

    Returns:
        In a fork, the request and its streams; None in this process, in the end.
    """
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    running = {}
    with selectors.DefaultSelector() as selector:
        selector.register(woken, selectors.EVENT_READ)
        selector.register(requests, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                woken.recv(4096)
                report(running)
            if requests not in ready:
                continue
            text, given, _, _ = socket.recv_fds(requests, SIZE, 3)
            if not text:
                return None
            *streams, answer = given
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, before)
                for one in (woken, wake, requests):
                    one.close()
                for one in (answer, *running.values()):
                    os.close(one)
                return json.loads(text), streams
            for one in streams:
                os.close(one)
            running[child] = answer
            tell(answer, child)


def report(running):
    """Tell whoever waits for a process that it has ended, and how."""
    for child in list(running):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            answer = running.pop(child)
            tell(answer, status)
            os.close(answer)


def tell(answer, number):
    # Whoever asked may be gone.
    with contextlib.suppress(BrokenPipeError):
        os.write(answer, f"{number}\n".encode())


def leave(code):
    """What Python does when a program exits, but for taking all its modules apart."""
    # The one name there is for waiting for threads as Python does.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    load()
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked:
        try:
            become(*asked)
            raise SystemExit(0)
        except SystemExit as end:
            if not isinstance(end.code, int | None):
                raise
            leave((end.code or 0) & 0xFF)
