"""The guard on a real engine: it rolls back what fails, and nothing else."""

import json
import os
import signal
import time
import urllib.error
import urllib.request

import pytest

from loadgen import Load, wait_until
from projects import docker, remove
from toy import APP, release, toy

# Healthy until somebody asks for `/break`; from then on its probe says no. `/fail` always fails.
BREAKS = APP.replace(
    "    def do_GET(self):\n",
    """    def do_GET(self):
        if self.path == "/break":
            open("/tmp/broken", "w").close()
        if self.path == "/fail" or os.path.exists("/tmp/broken"):
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
""",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """1.1.0 is live, 1.0.0 stands by."""
    made = toy(tmp_path_factory.mktemp("guarded"))
    with (made.root / "towline.yaml").open("a") as file:
        triggers = "triggers: {service_down: {for: 3s}, errors: {for: 6s}}"
        file.write(f"guard: {{interval: 500ms, max_rollbacks: 3, {triggers}}}\n")
        file.write("analysis: {request_log: true}\n")
    conf = made.root / "deploy/security/nginx/nginx.conf"
    conf.write_text(conf.read_text().replace("access_log off;", "access_log /dev/null;"))
    release(made, "1.0.0")
    made.inv("deploy").ok()
    release(made, "1.1.0", BREAKS)
    made.inv("deploy").ok()
    yield made
    made.inv("guard.stop")
    remove(made)


def get(project, path="/"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{project.http}{path}", timeout=5) as answer:
            return json.loads(answer.read())["version"]
    except urllib.error.HTTPError as error:
        return error.code


def notes(project):
    return [e["data"] for e in project.journal() if (e["event"], e["step"]) == ("note", "guard")]


def registered(project):
    path = project.folder / "guard.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_while_all_is_well_nothing_happens(project):
    done = project.inv("guard", "--for", "2s", "--json").ok()
    assert done.json["result"] == "well"
    assert done.json["decisions"] == []
    assert "watching 1.1.0; it would roll back to 1.0.0" in done.err


def test_a_killed_guard_blocks_nothing_and_is_started_again(project):
    project.inv("guard.start").ok()
    first = registered(project)
    again = project.inv("guard.start")
    assert again.code == 2
    assert "a guard watches local already" in again.err
    os.kill(first["pid"], signal.SIGKILL)
    wait_until(lambda: project.inv("guard.status").code == 3, "it still seems to watch")
    project.inv("guard.start").ok()
    assert registered(project)["pid"] != first["pid"]
    assert project.inv("guard.status", "--json").ok().json["guard"]["log"]
    project.inv("guard.stop").ok()
    assert registered(project) is None
    assert project.inv("guard.stop").code == 3


def test_a_broken_backing_service_rolls_nothing_back(project):
    notes_container = f"{project.name}-local-notes-1"
    docker("stop", "--time", "1", notes_container)
    try:
        done = project.inv("guard", "--for", "8s", "--json")
    finally:
        docker("start", notes_container)
    assert done.code == 3
    decisions = done.json["decisions"]
    assert {item["decision"] for item in decisions} == {"notify"}
    assert "which no other release would cure" in decisions[0]["reason"]
    assert get(project) == "1.1.0"
    assert not (project.folder / "hold.json").exists()


def test_while_somebody_deploys_it_waits(project):
    guard = project.start("guard", "--for", "5m")
    try:
        wait_until(lambda: registered(project), "the guard does not begin")
        release(project, "1.2.0", BREAKS)
        project.inv("deploy").ok()
        time.sleep(1.5)
        assert get(project) == "1.2.0"
    finally:
        guard.send_signal(signal.SIGTERM)
        said = guard.communicate(timeout=60)[0]
    # 1.1.0, whose watch it was, was not there to the end.
    assert guard.returncode == 1
    assert "1.1.0 was not watched to the end: 1.2.0 is live in local by now" in said
    assert "paused: " in said
    assert "watching 1.2.0; it would roll back to 1.1.0" in said


def test_a_release_that_fails_is_rolled_back_and_no_request_is_lost(project):
    project.inv("guard.start").ok()
    before = len(notes(project))
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        began = time.monotonic()
        assert get(project, "/break") == 500
        wait_until(lambda: get(project) == "1.1.0", "it was not rolled back", limit=60)
        took = time.monotonic() - began
        wait_until(lambda: not (project.folder / "lock").exists(), "the rollback does not end")
        load.tally.statuses.clear()
        time.sleep(1)
        tally = load.stop()
    assert tally.lost == []
    assert set(tally.statuses) == {200}
    assert took < 60
    (said,) = notes(project)[before:]
    assert (said["decision"], said["release"], said["to"]) == ("rollback", "1.2.0", "1.1.0")
    assert said["figures"]["failed_rounds"] == 4
    history = project.inv("history", "--lines", "2").ok().out
    assert "guard" in history
    assert "health: 4 rounds in a row failed" in history
    status = project.inv("status", "--json").ok().json
    assert "guard: health: 4 rounds" in status["hold"]
    assert status["guard"]["watching"]["pid"] == registered(project)["pid"]
    assert status["guard"]["decision"]["decision"] == "rollback"
    project.inv("history", "--verify").ok()
    # It watches on, and the hold keeps 1.2.0 away.
    assert project.inv("deploy").code == 3
    project.inv("guard.stop").ok()
    assert "rolled back from 1.2.0 to 1.1.0" in log(project)


def test_the_exit_code_tells_a_workflow(project):
    project.inv("hold.lift").ok()
    release(project, "1.3.0", BREAKS)
    project.inv("deploy").ok()
    guard = project.start("guard", "--for", "5m", "--json")
    wait_until(lambda: registered(project), "the guard does not begin")
    assert get(project, "/break") == 500
    said = guard.communicate(timeout=120)[0]
    assert guard.returncode == 4, said
    assert "local was rolled back from 1.3.0 to 1.1.0" in said


def test_a_release_whose_users_get_errors_is_rolled_back_though_its_probe_is_well(project):
    project.inv("hold.lift").ok()
    release(project, "1.4.0", BREAKS)
    project.inv("deploy").ok()
    guard = project.start("guard", "--for", "5m")
    wait_until(lambda: registered(project), "the guard does not begin")
    ends = time.monotonic() + 90
    while guard.poll() is None and time.monotonic() < ends:
        get(project, "/")
        get(project, "/fail")
        time.sleep(0.05)
    said = guard.communicate(timeout=60)[0]
    assert guard.returncode == 4, said
    assert get(project) == "1.1.0"
    decided = notes(project)[-1]
    assert (decided["trigger"], decided["decision"]) == ("errors", "rollback")
    assert 0.3 < decided["figures"]["share"] < 0.7


def test_a_deploy_can_leave_a_guard_behind_and_the_next_one_finds_it(project):
    project.inv("hold.lift").ok()
    config = project.root / "towline.yaml"
    config.write_text(config.read_text().replace("guard: {", "guard: {after_deploy: true, "))
    release(project, "1.5.0")
    first = project.inv("deploy").ok()
    guard = registered(project)
    assert f"a guard watches local: process {guard['pid']}" in first.err
    release(project, "1.6.0")
    assert "a guard watches" not in project.inv("deploy").ok().err
    # Three rollbacks in a day are enough, and that is known before it is needed.
    said = "watching 1.6.0; it would not roll back (the guard rolled back 3 times within"
    wait_until(lambda: said in log(project), "it does not watch")
    assert registered(project)["pid"] == guard["pid"]


def log(project):
    return (project.folder / "guard.log").read_text()
