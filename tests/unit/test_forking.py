"""A program that runs in a fork finds what one finds that is started anew, and ends as it does."""

import json
import os
import subprocess

import pytest

import forking

LOOK = """
import json, os, signal, sys
caught = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
print(json.dumps({
    "folder": os.getcwd(),
    "arguments": sys.argv,
    "first": sys.path[0],
    "name": __name__,
    "environ": {name: text for name, text in os.environ.items() if name != "LC_CTYPE"},
    "signals": [str(getattr(one, "__name__", one)) for one in caught],
    "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:3],
    "input": sys.stdin.read(),
    "encoding": [sys.stdout.encoding, sys.stderr.encoding, sys.stdout.errors],
    "main": sys.modules["__main__"].__dict__.get("__file__"),
}))
print("spoken apart", file=sys.stderr)
"""
ENDINGS = {
    "nothing": "",
    "a code": "raise SystemExit(4)",
    "no code": "raise SystemExit",
    "a message": "raise SystemExit('it failed')",
    "an error": "1 / 0",
    "Ctrl-C": "raise KeyboardInterrupt",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "at exit": "import atexit; atexit.register(print, 'gone'); print('here')",
    "a thread": (
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.02), print('late'))).start()"
    ),
}
HERE = {"PATH": os.environ["PATH"], **forking.read_at_start(os.environ)}
BOTH = pytest.mark.parametrize("run", [forking.run, forking.run_anew])


def runs(folder, program, *arguments, run, environ=None, timeout=60):
    file = folder / "program.py"
    file.write_text(program)
    environ = {**HERE, **(environ or {})}
    return run([file, *arguments], cwd=folder, env=environ, timeout=timeout)


def test_it_finds_the_same(tmp_path):
    found = [
        runs(tmp_path, LOOK, "one", "two words", run=run, environ={"SHOP": "open", "TZ": "UTC"})
        for run in (forking.run, forking.run_anew)
    ]
    forked, anew = (json.loads(one.stdout) for one in found)
    assert forked == anew
    assert forked["environ"]["SHOP"] == "open"
    assert [one.stderr for one in found] == ["spoken apart\n"] * 2


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends_the_same(tmp_path, ending):
    forked, anew = (
        runs(tmp_path, ENDINGS[ending], run=run) for run in (forking.run, forking.run_anew)
    )
    assert (forked.returncode, forked.stdout) == (anew.returncode, anew.stdout)
    # A trace has a frame more for each module that runs another one.
    assert forked.stderr.splitlines()[-1:] == anew.stderr.splitlines()[-1:]


@BOTH
def test_a_module_is_run_as_python_runs_it(tmp_path, run):
    (tmp_path / "tasks.py").write_text("from towline.tasks import ns\n")
    done = run(["--version"], module="invoke", cwd=tmp_path, env=HERE, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Invoke ")
    done = run(["no-such-task"], module="invoke", cwd=tmp_path, env=HERE, timeout=60)
    assert done.returncode != 0


@BOTH
def test_what_takes_too_long_is_killed(tmp_path, run):
    with pytest.raises(subprocess.TimeoutExpired):
        runs(tmp_path, "import time; time.sleep(60)", run=run, timeout=0.3)


def test_nothing_of_one_fork_is_in_the_next(tmp_path):
    program = "import json; print(getattr(json, 'mark', 0)); json.mark = 1"
    said = [runs(tmp_path, program, run=forking.run).stdout for _ in range(2)]
    assert said == ["0\n"] * 2


def test_coverage_of_a_fork_is_measured(tmp_path):
    config = tmp_path / "coverage.toml"
    config.write_text(f"[tool.coverage.run]\ndata_file = '{tmp_path}/of'\nparallel = true\n")
    runs(tmp_path, "x = 1\n", run=forking.run, environ={"COVERAGE_PROCESS_START": str(config)})
    assert len(list(tmp_path.glob("of.*"))) == 1


def test_it_is_a_fork_except_where_python_is_to_start_in_another_way(tmp_path):
    who = "import os; print(os.getppid())"
    assert int(runs(tmp_path, who, run=forking.run).stdout) != os.getpid()
    elsewhere = {"PYTHONPATH": "/elsewhere"}
    assert int(runs(tmp_path, who, run=forking.run, environ=elsewhere).stdout) == os.getpid()
