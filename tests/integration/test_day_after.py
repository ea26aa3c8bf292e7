"""A reboot, long after the deploy: what served comes back, and what was stopped does not."""

import json

import pytest

from loadgen import wait_until
from projects import docker, remove
from toy import a_lab, release, toy_on, version_on


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with a_lab(tmp_path_factory.mktemp("lab"), hosts=1) as made:
        yield made


@pytest.fixture
def project(lab, tmp_path):
    made = toy_on(tmp_path, lab, work=True, restart="always")
    yield made
    remove(made)


def inside(host, *command):
    return docker("exec", host.container, *command)


def running(host):
    return sorted(
        "-".join(name.split("-")[2:])
        for name in inside(host, "docker", "ps", "--format", "{{.Names}}").split()
    )


def served(host):
    try:
        return version_on(host)
    except (OSError, ValueError):
        return ""


def test_after_a_reboot_one_release_runs_behind_its_router(project, lab):
    (host,) = lab.hosts
    for version in ("1.0.0", "1.1.0"):
        release(project, version)
        project.inv("deploy").ok()
    before = ["green-web-1", "green-worker-1", "nginx-1"]
    assert running(host) == before
    docker("restart", "--time", "1", host.container)
    wait_until(lambda: served(host) == "1.1.0", "nobody is served after the reboot", limit=60)
    # The retired slot would have been started by now, as what serves was.
    assert running(host) == before
    # Rolled back, the other slot comes back, with the policy of its own.
    project.inv("rollback", "--auto-approve").ok()
    docker("restart", "--time", "1", host.container)
    wait_until(lambda: served(host) == "1.0.0", "nobody is served after the reboot", limit=60)
    assert running(host) == ["blue-web-1", "blue-worker-1", "nginx-1"]
    web = inside(host, "docker", "inspect", f"{project.name}-local-blue-web-1")
    assert json.loads(web)[0]["HostConfig"]["RestartPolicy"]["Name"] == "always"
