"""The deployer is stopped, killed or interrupted, under load.

Stopped and killed: a small project, at one entry of its journal; at every entry is for
`test_killed_tour_1.py` and `test_killed_tour_2.py`. Interrupted by a signal: the sample.
"""

import os
import signal
import sys
import threading
import time

import pytest

from loadgen import Load
from tour import COMMANDS, KILLER, NEW, OLD
from toy import APP

SLOW = APP.replace("GET(self):", "GET(self):\n        import time; time.sleep(0.8)")


def paused(project, name, *, entry, act):
    """Stop an operation at an entry of its journal, do something, and let it go on to its end.

    Returns:
        What a second operator's command said, and the exit codes of both.
    """
    first = project.start(
        str(KILLER), "stop", str(entry), "60", *COMMANDS[name], program=sys.executable
    )
    os.waitpid(first.pid, os.WUNTRACED)
    second = project.start(*act)
    try:
        for line in iter(second.stdout.readline, ""):
            if "waiting for" in line:
                break
    finally:
        first.send_signal(signal.SIGCONT)
    said = second.communicate(timeout=120)[0]
    first.communicate(timeout=120)
    return said, first.returncode, second.returncode


def test_who_waits_for_another_plans_after_it_and_respects_its_hold(small):
    # Of two operators with a version each, the second one's is what serves.
    back = ("deploy", "--version", OLD, "--skip-check", "--wait", "2m")
    assert paused(small, "deploy", entry=4, act=back)[1:] == (0, 0)
    assert [
        row["release"] for row in small.inv("history", "--json").ok().json["operations"][:2]
    ] == [OLD, NEW]
    small.inv(*COMMANDS["deploy"]).ok()
    small.inv("hold.lift").ok()
    # Automation that waits for a rollback does not bring the bad release back.
    automation = ("deploy", "--skip-check", "--wait", "2m")
    said, first, second = paused(small, "rollback", entry=4, act=automation)
    assert (first, second) == (0, 3), said
    assert "on hold: rolled back from" in said
    assert small.inv("status", "--json").ok().json["live"] == OLD


@pytest.mark.parametrize("small", [SLOW], indirect=True)
def test_what_is_aborted_after_its_switch_finishes_the_requests_it_has(small):
    before = len(small.journal())
    small.inv(*COMMANDS["deploy"]).ok()
    steps = [(entry["event"], entry["step"]) for entry in small.journal()[before:]]
    small.inv("rollback", "--auto-approve").ok()
    number = steps.index(("outcome", "switch")) + 1
    killed = (str(KILLER), "after", str(number), "60", *COMMANDS["deploy"])
    small.start(*killed, program=sys.executable).communicate(timeout=60)
    with Load(f"http://127.0.0.1:{small.http}/", steady=6, fresh=6) as load:
        assert set(load.tally.releases) == {NEW}
        small.inv("deploy.abort").ok()
        tally = load.stop()
    assert tally.lost == []
    assert tally.failed == 0, tally.statuses
    assert len(tally.releases) == 2


def run_until(project, arguments, *, entry, number):
    """Start a command and send it a signal when its journal has `entry` entries more.

    Returns:
        The exit code, and whether the point was reached before the command ended.
    """
    before = len(project.journal())
    process = project.start(*arguments)
    drained = threading.Thread(target=process.stdout.read, daemon=True)
    drained.start()
    path = project.folder / "journal.jsonl"
    reached = False
    while process.poll() is None:
        lines = path.read_bytes().count(b"\n") if path.exists() else 0
        if lines >= before + entry:
            process.send_signal(number)
            reached = True
            break
        time.sleep(0.002)
    code = process.wait(90)
    drained.join(5)
    process.stdout.close()
    return code, reached


def assert_one_healthy_version(project, versions):
    seen = {project.version() for _ in range(10)}
    assert len(seen) == 1
    assert seen <= set(versions)
    status = project.inv("status", "--json").ok().json
    assert status["live"] in seen
    assert status["lock"] is None
    return status


@pytest.fixture(scope="module")
def two(project):
    """1.0.0 is live, 1.1.0 is promoted."""
    project.promote("1.0.0")
    project.inv("deploy").ok()
    project.promote("1.1.0")
    project.inv("build").ok()
    return project


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_goes_back_by_itself(two, number):
    two.inv("hold.lift").ok()
    two.inv("deploy", "--version", "1.0.0", "--skip-check")
    two.inv("deploy", "--skip-check")
    assert two.version() == "1.1.0"
    with Load(two.url + "/api/news", steady=3, fresh=2) as load:
        arguments = ("deploy", "--version", "1.0.0", "--skip-check")
        code, reached = run_until(two, arguments, entry=4, number=number)
        tally = load.stop()
    assert reached
    assert code == 4
    assert two.version() == "1.1.0"
    assert tally.lost == []
    assert tally.failed == 0
    status = assert_one_healthy_version(two, {"1.1.0"})
    assert status["interrupted"] is None
    # Somebody's Ctrl-C says nothing about the release.
    assert {row["release"]: row["status"] for row in status["kept"]}["1.0.0"] == "good"
