"""Three real hosts, and what befalls one of them in the middle of a deploy.

Each time the outcome is the documented one: the old release serves everywhere, the lock is free,
and in the end the next deploy ends clean.
"""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from loadgen import wait_until
from projects import docker, remove
from tour import KILLER
from toy import APP, release, toy_on, version_on

SLOW = """
import time
time.sleep(4)
"""
# Small, so that it can be filled.
ROOM = "mount -t tmpfs -o size=3m tmpfs /var/lib/towline && chown deploy: /var/lib/towline"
FILL = "dd if=/dev/zero of=/var/lib/towline/fill bs=4k 2>/dev/null; sync"


@pytest.fixture(scope="module")
def project(lab, tmp_path_factory):
    """1.0.0 is live on the three hosts; 1.1.0 is promoted, and takes four seconds to start."""
    made = toy_on(tmp_path_factory.mktemp("faults"), lab)
    for host in lab.hosts:
        inside(host, "sh", "-c", ROOM)
    config = made.root / "towline.yaml"
    text = config.read_text().replace("rollout: {", "rollout: {reconnect: 20s, ")
    config.write_text(text + "checks: {disk_free: 100kB}\n")
    release(made, "1.0.0", APP)
    made.inv("deploy").ok()
    release(made, "1.1.0", SLOW + APP)
    yield made
    remove(made)
    for host in lab.hosts:
        inside(host, "umount", "/var/lib/towline")


@pytest.fixture(autouse=True)
def well_again(project, lab):
    """After each test: 1.0.0 serves everywhere, the lock is free, the journal is whole."""
    yield
    wait_until(lambda: serving(lab) == ["1.0.0"] * 3, "1.0.0 does not serve everywhere", limit=60)
    status = project.inv("status", "--json").ok().json
    assert status["versions"] == ["1.0.0"]
    assert status["lock"] is None
    assert status["interrupted"] is None
    assert "the chain is whole" in project.inv("history", "--verify").ok().out


def inside(host, *command):
    return docker("exec", host.container, *command)


def serving(lab):
    return [version(host) for host in lab.hosts]


def version(host):
    try:
        return version_on(host)
    except (OSError, ValueError):
        return "nothing"


def containers(host):
    return inside(host, "docker", "ps", "--format", "{{.Names}} {{.Image}}")


def deploying(project, host):
    """A deploy that has started the new release on a host and waits for it to be healthy."""
    before = containers(host).count("-web-1")
    process = project.start("deploy", "--skip-check")
    wait_until(lambda: containers(host).count("-web-1") > before, "no new release", limit=60)
    return process


def test_the_second_host_loses_its_network(project, lab):
    second = lab.hosts[1]
    network = second.container.rpartition("-")[0]
    process = deploying(project, second)
    docker("network", "disconnect", "--force", network, second.container)
    started = time.monotonic()
    try:
        said = process.communicate(timeout=200)[0]
        took = time.monotonic() - started
    finally:
        docker("network", "connect", network, second.container)
    # That host cannot be asked to roll back, so a person must look; it never left the old release.
    assert process.returncode == 6, said
    assert "its rollback also failed on lab2" in said
    assert took < 100
    assert version_on(lab.hosts[0]) == version_on(lab.hosts[2]) == "1.0.0"
    assert "`inv deploy --env local --version 1.0.0`" in said
    wait_until(lambda: project.inv("status").code == 0, "lab2 does not come back", limit=60)
    project.inv("deploy", "--version", "1.0.0").ok()
    assert containers(second).count("-web-1") == 1


def test_ssh_drops_for_ten_seconds_and_comes_back(project, lab):
    second = lab.hosts[1]
    process = deploying(project, second)
    inside(second, "pkill", "-KILL", "sshd")
    time.sleep(10)
    inside(second, "towline-lab-sshd")
    said = process.communicate(timeout=150)[0]
    assert process.returncode == 4, said
    assert "failed at step start on lab2: " in said
    assert "1.0.0 serves all traffic on all 3 hosts" in said


def test_ssh_to_the_first_host_drops_too(project, lab):
    """There are the lock and the journal; the lock is waited for, other work rolls back."""
    first = lab.hosts[0]
    process = deploying(project, first)
    inside(first, "pkill", "-KILL", "sshd")
    time.sleep(5)
    inside(first, "towline-lab-sshd")
    said = process.communicate(timeout=150)[0]
    assert process.returncode in (0, 4), said
    if process.returncode:
        assert "1.0.0 serves all traffic on all 3 hosts" in said
        return
    assert serving(lab) == ["1.1.0"] * 3
    project.inv("deploy", "--version", "1.0.0").ok()


@pytest.mark.parametrize("number", ["TERM", "KILL"])
def test_the_engine_of_the_second_host_restarts(project, lab, number):
    second = lab.hosts[1]
    process = deploying(project, second)
    inside(second, "pkill", f"-{number}", "dockerd")
    said = process.communicate(timeout=150)[0]
    assert process.returncode == 4, said
    assert "on lab2" in said
    assert "1.0.0 serves all traffic on all 3 hosts" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_somebody_interrupts_it(project, lab, number):
    process = deploying(project, lab.hosts[2])
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 4, said
    assert f"{number.name}: stopping at the next safe point" in said
    assert f"deploy 1.1.0 was interrupted by {number.name} at step start; 1.0.0 serves all" in said
    assert "`inv deploy --env local` begins again" in said


def test_the_disk_of_the_second_host_is_full(project, lab):
    second = lab.hosts[1]
    inside(second, "sh", "-c", FILL)
    # What was prepared before is prepared again.
    inside(second, "sh", "-c", "rm -rf /var/lib/towline/*/local/releases/1.1.0; "
           "dd if=/dev/zero of=/var/lib/towline/fill2 bs=1k 2>/dev/null; true")  # fmt: skip
    try:
        said = project.inv("deploy", "--skip-check")
        checked = project.inv("deploy")
    finally:
        inside(second, "sh", "-c", "rm -f /var/lib/towline/fill*")
    assert said.code == 1, said.text
    assert "No space left on device" in said.err
    assert "lab2" in said.err
    assert "nothing was changed" in said.err
    assert checked.code == 3, checked.text
    assert "lab2: 0 B free for state" in checked.err


def test_the_first_host_cannot_write_its_journal_any_more(project, lab):
    """As when its disk is full, or was made read-only after an error."""
    first = lab.hosts[0]
    process = deploying(project, first)
    inside(first, "mount", "-o", "remount,ro", "/var/lib/towline")
    try:
        said = process.communicate(timeout=150)[0]
        assert serving(lab) == ["1.0.0"] * 3
    finally:
        inside(first, "mount", "-o", "remount,rw", "/var/lib/towline")
    assert process.returncode == 4, said
    # What could not be written down is named, and made up for by a person's choice.
    assert "at step start" in project.inv("status", "--json").ok().json["interrupted"]
    project.inv("deploy.abort").ok()


def journal(lab):
    return inside(lab.hosts[0], "sh", "-c", "ls /var/lib/towline/*/local/journal.jsonl").strip()


def test_a_half_written_line_is_repaired(project, lab):
    path = journal(lab)
    inside(lab.hosts[0], "sh", "-c", f'printf \'{{"v": 1, "seq"\' >> {path}')
    found = project.inv("history", "--verify")
    assert "half-written" in found.text
    project.inv("deploy", "--skip-check").ok()
    assert serving(lab) == ["1.1.0"] * 3
    project.inv("rollback", "--auto-approve").ok()
    project.inv("hold.lift").ok()


def test_a_changed_line_stops_all_but_an_emergency(project, lab):
    path = journal(lab)
    kept = f"{path}.kept"
    inside(lab.hosts[0], "cp", "-p", path, kept)
    inside(lab.hosts[0], "sed", "-i", '2s/"step":"[a-z]*"/"step":"nothing"/', path)
    found = project.inv("history", "--verify")
    assert found.code == 1, found.text
    assert "journal.jsonl:2: its content was changed" in found.text
    for command in (("deploy", "--skip-check"), ("migrate",), ("rollback", "--auto-approve")):
        said = project.inv(*command)
        assert said.code in (1, 2), said.text
    said = project.inv("deploy", "--skip-check")
    assert said.code == 1, said.text
    assert "journal.jsonl:2: its content was changed" in said.err
    assert "`inv rollback --force`" in said.err
    assert serving(lab) == ["1.0.0"] * 3
    inside(lab.hosts[0], "mv", kept, path)


def test_a_deployer_that_slept_past_its_lease_does_nothing_more(project, lab):
    argv = (sys.executable, str(KILLER), "stop", "9", "2", "deploy", "--skip-check")
    process = project.start(*argv[1:], program=argv[0])
    try:
        wait_until(lambda: stopped(process.pid), "it does not sleep", limit=60)
        time.sleep(3)
        # Somebody else finds it interrupted, and chooses.
        project.inv("deploy.abort").ok()
        entries = inside(lab.hosts[0], "cat", journal(lab))
    finally:
        os.kill(process.pid, signal.SIGCONT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 5, said
    assert "the lock was lost meanwhile" in said
    assert inside(lab.hosts[0], "cat", journal(lab)) == entries


def test_who_still_reaches_a_lead_that_others_replaced_stops(project, lab):
    """Somebody else, who does not reach the first host, makes the second one the lead."""
    config = project.root / "towline.yaml"
    text = config.read_text()
    process = deploying(project, lab.hosts[2])
    config.write_text(text.replace("[lab1, lab2, lab3]", "[lab2, lab3]"))
    try:
        project.inv("hosts.lead", "--host", "lab2", "--force", "--yes").ok()
    finally:
        config.write_text(text)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 5, said
    assert "lab2 was made the lead of local meanwhile" in said
    assert serving(lab) == ["1.0.0"] * 3
    project.inv("deploy", "--version", "1.0.0").ok()
    assert all(containers(host).count("-web-1") == 1 for host in lab.hosts)
    project.inv("hosts.lead", "--host", "lab1").ok()


def stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_of_two_deployers_one_wins(project, lab):
    both = [project.start("deploy", "--skip-check") for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 5], said
    assert any("lock held since" in text for text in said)
    assert serving(lab) == ["1.1.0"] * 3
    project.inv("rollback", "--auto-approve").ok()
    project.inv("hold.lift").ok()


def test_a_hundred_races_for_the_lock_over_ssh(project, lab):
    """Two processes with connections of their own; the harness counts who won."""
    racer = Path(__file__).parent / "racer.py"
    both = [
        project.start(str(racer), str(lab.ssh_config), str(number), program=sys.executable)
        for number in range(2)
    ]
    said = [process.communicate(timeout=200)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    outcomes = [text.split() for text in said]
    assert len(outcomes[0]) == len(outcomes[1]) == 100
    pairs = list(zip(*outcomes, strict=True))
    assert set(pairs) <= {("won", "locked"), ("locked", "won")}, pairs


def test_in_the_end_a_deploy_ends_clean(project, lab):
    project.inv("deploy", "--skip-check").ok()
    assert serving(lab) == ["1.1.0"] * 3
    project.inv("rollback", "--auto-approve").ok()
