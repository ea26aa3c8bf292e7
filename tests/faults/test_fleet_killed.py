"""The deployer of three real hosts is killed before and after entries of its journal, under load.

The points are counted, so a step that is added later is covered without an edit here. A few of
them are tried with a small service; TOWLINE_FAULTS=all tries every one, with the sample.
"""

import json
import os
import signal
import ssl
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadgen import Load
from projects import docker, make_project, remove
from toy import APP, toy_on

KILLER = Path(__file__).parent / "killer.py"
ALL = os.environ.get("TOWLINE_FAULTS") == "all"
# Of the points of an operation, each so-manieth.
STRIDE = 1 if ALL else 13
NEVER = 999
DEPLOY = ("deploy", "--version", "1.1.0", "--skip-check")
ROLLBACK = ("rollback", "--auto-approve", "--reason", "test")


class Service:
    """Where a host of the lab is asked, and what it says."""

    def __init__(self, port, scheme, path):
        self.port, self.scheme, self.path = port, scheme, path

    def url(self, host):
        return f"{self.scheme}://127.0.0.1:{host.ports[self.port]}{self.path}"

    def version(self, host):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(self.url(host), context=context, timeout=10) as answer:
            return json.loads(answer.read())["version"]


def sample_on(folder, lab):
    made = make_project(folder, watch="300ms")
    made.set(HTTP_PORT=8080, HTTPS_PORT=8443, PROMETHEUS_PORT=9090)
    config = made.root / "towline.yaml"
    text = config.read_text().partition("environments:")[0]
    hosts = ", ".join(host.name for host in lab.hosts)
    rollout = "rollout: {watch: 300ms, health_timeout: 20s, drain: 5s}\n"
    where = f"{{hosts: [{hosts}], ssh_config: '{lab.ssh_config}'}}"
    config.write_text(f"{text}{rollout}environments: {{local: {where}}}\n")
    made.commit("feat: three hosts")
    return made


@pytest.fixture(scope="module")
def service():
    return Service(8443, "https", "/version") if ALL else Service(8080, "http", "/")


@pytest.fixture(scope="module")
def project(lab, tmp_path_factory):
    """1.0.0 is live, 1.1.0 is there and stopped."""
    folder = tmp_path_factory.mktemp("killed")
    made = sample_on(folder, lab) if ALL else toy_on(folder, lab)
    for version in ("1.0.0", "1.1.0"):
        if ALL:
            made.promote(version)
        else:
            (made.root / "app/app.py").write_text(f"{APP}# {version}\n")
            made.commit(f"feat: {version}")
            made.inv("promote", "--version", version).ok()
        made.inv("deploy").ok()
    made.inv(*ROLLBACK).ok()
    yield made
    remove(made)


def start_from(project, version):
    project.inv("hold.lift")
    project.inv("deploy", "--version", version, "--skip-check").ok()


def killed(project, when, number, arguments):
    """Run a command that is killed at an entry; returns its exit code."""
    given = (str(KILLER), when, str(number), "60", *arguments)
    process = project.start(*given, program=sys.executable)
    said = process.communicate(timeout=200)[0]
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode


def points(project, lab, arguments):
    """Every entry that a whole run writes, before and after it."""
    path = f"/var/lib/towline/{project.name}/local/journal.jsonl"

    def count():
        return docker("exec", lab.hosts[0].container, "cat", path).count("\n")

    before = count()
    assert killed(project, "after", NEVER, arguments) == 0
    total = count() - before
    assert total >= 10
    return [(when, number) for number in range(1, total + 1) for when in ("before", "after")]


def state(project, lab, service):
    """What each host serves; one version each, and healthy."""
    found = []
    for host in lab.hosts:
        seen = {service.version(host) for _ in range(5)}
        assert len(seen) == 1
        found.append(seen.pop())
    status = project.inv("status", "--json").ok().json
    assert status["lock"] is None
    # Two versions at once are said.
    assert sorted(set(found)) == sorted(status["versions"])
    assert len(set(found)) == 1 or status["interrupted"]
    return found, status


@pytest.mark.parametrize("arguments", [DEPLOY, ROLLBACK], ids=["deploy", "rollback"])
def test_killed_anywhere_one_version_serves_and_it_can_be_resumed_or_aborted(
    project, lab, service, arguments
):
    is_deploy = arguments is DEPLOY
    old, new = ("1.0.0", "1.1.0") if is_deploy else ("1.1.0", "1.0.0")
    start_from(project, old)
    every = points(project, lab, arguments)
    interrupted = 0
    with ExitStack() as stack:
        loads = [
            stack.enter_context(Load(service.url(host), steady=2, fresh=1, limit=3000))
            for host in lab.hosts
        ]
        for turn, (when, number) in enumerate(every[::STRIDE]):
            start_from(project, old)
            assert state(project, lab, service)[0] == [old] * 3
            code = killed(project, when, number, arguments)
            found, status = state(project, lab, service)
            assert set(found) <= {old, new}
            if status["interrupted"]:
                interrupted += 1
                refused = project.inv("deploy", "--version", new, "--skip-check")
                assert refused.code == 3, refused.text
                resume = turn % 2 == 0
                project.inv("deploy.resume" if resume else "deploy.abort").ok()
                found, status = state(project, lab, service)
                assert found == [new if resume else old] * 3, (when, number)
                assert status["interrupted"] is None
            else:
                # Before its first entry nothing was done; after its last one, all.
                assert (when, number) in (every[0], every[-1]), (when, number, code)
            assert [load.tally.lost for load in loads] == [[]] * 3, (when, number)
        tallies = [load.stop() for load in loads]
    assert interrupted >= max(1, len(every[::STRIDE]) - 2)
    for tally in tallies:
        assert tally.lost == []
        assert tally.failed == 0, tally.statuses
    assert "the chain is whole" in project.inv("history", "--verify").ok().out
