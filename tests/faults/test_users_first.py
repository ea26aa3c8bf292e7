"""A worker that takes its time to stop, and what happens meanwhile: users must not notice it."""

import signal
import time

import pytest

from loadgen import Load, wait_until
from projects import docker, remove
from tour import NEW, OLD
from toy import release, toy

# Seconds that the worker finishes its work for.
SLOW = 4
QUICK_WORKER = "command: [sleep, infinity]\n    init: true\n    stop_grace_period: 0s"
SLOW_WORKER = (
    f"""command: [sh, -c, "trap 'sleep {SLOW}; exit 0' TERM; while :; do sleep 0.1; done"]"""
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """OLD is live, NEW is promoted."""
    made = toy(tmp_path_factory.mktemp("users"), work=True)
    compose = made.root / "deploy/docker/docker-compose.prod.yml"
    text = compose.read_text()
    assert QUICK_WORKER in text
    compose.write_text(text.replace(QUICK_WORKER, SLOW_WORKER))
    release(made, OLD)
    made.inv("deploy").ok()
    release(made, NEW)
    yield made
    remove(made)


def load(project):
    return Load(f"http://127.0.0.1:{project.http}/", steady=3, fresh=3)


def at_the_switch(project):
    """A deploy whose old worker is being stopped."""
    before = len(project.journal())
    process = project.start("deploy", "--version", NEW, "--skip-check")

    def switching():
        new = project.journal()[before:]
        return any((entry["event"], entry["step"]) == ("intent", "switch") for entry in new)

    wait_until(switching, "the deploy does not come to its switch", limit=90)
    time.sleep(1)
    return process


def test_a_sleeper_woken_in_its_switch_undoes_nothing_of_what_somebody_else_did(project):
    process = at_the_switch(project)
    with load(project) as users:
        process.send_signal(signal.SIGSTOP)
        try:
            project.inv("unlock", "--yes").ok()
            project.inv("deploy.abort").ok()
            written = len(project.journal())
        finally:
            process.send_signal(signal.SIGCONT)
        said = process.communicate(timeout=60)[0]
        tally = users.stop()
    assert process.returncode == 5, said
    assert "nothing more was done" in said
    assert tally.lost == []
    assert tally.failed == 0, tally.statuses
    assert set(tally.releases) == {OLD}
    assert len(project.journal()) == written
    assert "the chain is whole" in project.inv("history", "--verify").ok().out
    status = project.inv("status", "--json").ok().json
    assert (status["live"], status["interrupted"], status["lock"]) == (OLD, None, None)


def test_an_app_that_dies_after_its_gate_gets_no_traffic(project):
    process = at_the_switch(project)
    with load(project) as users:
        docker("kill", *names(project, "web", NEW))
        said = process.communicate(timeout=90)[0]
        tally = users.stop()
    assert process.returncode == 4, said
    assert "exited with code 137" in said
    assert tally.lost == []
    assert tally.failed == 0, tally.statuses
    assert set(tally.releases) == {OLD}


def test_a_router_that_dies_while_a_release_is_watched_is_started_again(project):
    process = at_the_switch(project)
    wait_until(lambda: '"green": 100' in routes(project), "no switch", limit=60)
    docker("kill", *names(project, "nginx"))
    said = process.communicate(timeout=90)[0]
    assert process.returncode == 0, said
    with load(project) as users:
        time.sleep(0.3)
        assert set(users.stop().releases) == {NEW}


def test_a_failing_bake_costs_no_request_though_the_worker_takes_its_time(project):
    """The new worker crashes as soon as it runs."""
    config = project.root / "deploy/docker/docker-compose.prod.yml"
    text = config.read_text()
    config.write_text(text.replace(SLOW_WORKER, 'command: [sh, -c, "sleep 0.2; exit 3"]'))
    release(project, "1.2.0")
    with load(project) as users:
        said = project.inv("deploy", "--skip-check")
        tally = users.stop()
    assert said.code == 4, said.text
    assert "exited with code 3" in said.err
    assert tally.lost == []
    assert tally.failed == 0, tally.statuses
    assert project.inv("status", "--json").ok().json["live"] == NEW


def names(project, service, version=""):
    labels = {"project": project.name, "service": service}
    labels |= {"version": version} if version else {}
    wanted = [word for name, value in labels.items()
              for word in ("--filter", f"label=towline.{name}={value}")]  # fmt: skip
    return docker("ps", "--format", "{{.Names}}", *wanted).split()


def routes(project):
    return (project.folder / "routes/routes.conf").read_text()


def test_a_first_deploy_with_a_bad_router_is_repaired_by_the_next_one(tmp_path):
    made = toy(tmp_path)
    conf = made.root / "deploy/security/nginx/nginx.conf"
    good = conf.read_text()
    conf.write_text(good.replace("listen 8080;", "lissten 8080;"))
    try:
        release(made, "1.0.0")
        said = made.inv("deploy", "--skip-check")
        assert said.code == 1, said.text
        assert "nothing served before, and nothing does now" in said.err
        conf.write_text(good)
        release(made, "1.0.1")
        made.inv("deploy", "--skip-check").ok()
        with load(made) as users:
            assert set(users.stop().releases) == {"1.0.1"}
    finally:
        remove(made)
