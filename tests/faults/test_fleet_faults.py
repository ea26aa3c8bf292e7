"""One of three hosts is lost in the middle of a deploy: no host is left on the new release."""

import time

import pytest

from loadgen import wait_until
from projects import docker, remove
from toy import APP, a_lab, toy_on, version_on

SLOW = """
import time
time.sleep(4)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with a_lab(tmp_path_factory.mktemp("lab"), hosts=3) as made:
        yield made


@pytest.fixture(scope="module")
def project(lab, tmp_path_factory):
    """1.0.0 is live on the three hosts; 1.1.0 is promoted, and takes four seconds to start."""
    made = toy_on(tmp_path_factory.mktemp("faults"), lab)
    promote(made, "1.0.0", APP)
    made.inv("deploy").ok()
    promote(made, "1.1.0", SLOW + APP)
    yield made
    remove(made)


def promote(project, version, code):
    (project.root / "app/app.py").write_text(f"{code}# {version}\n")
    project.commit(f"feat: {version}")
    project.inv("promote", "--version", version).ok()


def containers(host):
    return docker("exec", host.container, "docker", "ps", "--format", "{{.Names}} {{.Image}}")


def deploying(project, host):
    """A deploy that has started the new release on a host and waits for it to be healthy."""
    before = containers(host).count("-web-1")
    process = project.start("deploy", "--skip-check")
    wait_until(lambda: containers(host).count("-web-1") > before, "no new release", limit=60)
    return process


def test_the_second_host_loses_its_network(project, lab):
    second = lab.hosts[1]
    process = deploying(project, second)
    network = second.container.rpartition("-")[0]
    docker("network", "disconnect", "--force", network, second.container)
    started = time.monotonic()
    try:
        said = process.communicate(timeout=150)[0]
        took = time.monotonic() - started
    finally:
        docker("network", "connect", network, second.container)
    # That host cannot be asked to go back, so a person must look; it never left the old release.
    assert process.returncode == 6, said
    assert "going back failed too on lab2" in said
    assert took < 120
    assert version_on(lab.hosts[0]) == version_on(lab.hosts[2]) == "1.0.0"
    wait_until(lambda: reachable(second), "lab2 does not come back", limit=60)
    assert version_on(second) == "1.0.0"
    assert project.inv("status", "--json").ok().json["lock"] is None


def reachable(host):
    try:
        return version_on(host) == "1.0.0"
    except OSError:
        return False


def test_when_the_hosts_are_back_the_next_deploy_ends_clean(project, lab):
    wait_until(lambda: project.inv("status").code == 0, "the hosts do not come back", limit=60)
    project.inv("deploy", "--skip-check").ok()
    assert [version_on(host) for host in lab.hosts] == ["1.1.0"] * 3
    assert "the chain is whole" in project.inv("history", "--verify").ok().out
