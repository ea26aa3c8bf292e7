"""The deployer is killed or interrupted in every step of a deploy and of a rollback, under load.

The points are the journal's own entries, so a step that is added later is covered without an
edit here: the deployer is killed right after the entry is on the disk.
"""

import os
import signal
import threading
import time

import pytest

from loadgen import Load

pytestmark = pytest.mark.usefixtures("project")
# Of the entries of an operation, each so-manieth; TOWLINE_FAULTS=all tries every one.
STRIDE = 1 if os.environ.get("TOWLINE_FAULTS") == "all" else 5


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


def points(project, arguments):
    """How many journal entries a whole run of a command writes."""
    before = len(project.journal())
    project.inv(*arguments).ok()
    return len(project.journal()) - before


def end_it(two, is_deploy, *, resume):
    """Somebody chooses what becomes of it: nothing new begins before that."""
    refused = two.inv("deploy", "--version", "1.1.0", "--skip-check")
    assert refused.code == 3, refused.text
    assert "was interrupted at step" in refused.err
    two.inv("deploy.resume" if resume else "deploy.abort").ok()
    assert_one_healthy_version(two, {"1.1.0" if is_deploy == resume else "1.0.0"})
    assert two.inv("status", "--json").ok().json["interrupted"] is None


def test_killed_at_every_entry_of_a_deploy_and_of_a_rollback(two):
    rollback = ("rollback", "--auto-approve", "--reason", "test")
    # By its version, because a rollback holds other deploys back.
    deploy = ("deploy", "--version", "1.1.0", "--skip-check")
    entries = {deploy: points(two, deploy), rollback: points(two, rollback)}
    assert entries[deploy] >= 10
    assert entries[rollback] >= 10
    interrupted = 0
    with Load(two.url + "/api/news", steady=3, fresh=2, limit=600) as load:
        for arguments, count in entries.items():
            for turn, entry in enumerate(range(1, count, STRIDE)):
                code, reached = run_until(two, arguments, entry=entry, number=signal.SIGKILL)
                status = assert_one_healthy_version(two, {"1.0.0", "1.1.0"})
                if reached and code == -signal.SIGKILL:
                    # Killed after its last entry, it was done.
                    cut = two.journal()[-1]["event"] != "end"
                    interrupted += cut
                    assert bool(status["interrupted"]) == cut, f"{arguments}, entry {entry}"
                    if cut:
                        end_it(two, arguments == deploy, resume=turn % 2 == 0)
                # The next command ends clean, wherever the last one was cut.
                two.inv("deploy", "--version", "1.1.0", "--skip-check").ok()
                assert two.version() == "1.1.0"
                assert_one_healthy_version(two, {"1.1.0"})
                if arguments == deploy:
                    two.inv("deploy", "--version", "1.0.0", "--skip-check").ok()
        tally = load.stop()
    assert interrupted >= 4
    assert tally.lost == []
    assert tally.failed == 0, tally.statuses
    assert two.inv("history", "--verify").ok()


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
