"""The tour of kills on three real hosts, under load.

Some of the points are tried with a small service; TOWLINE_FAULTS=all tries every one, with the
sample. `one_host.py` tries every one on one host.
"""

import json
import os
import ssl
import urllib.request
from contextlib import ExitStack

from loadgen import Load
from projects import docker, make_project
from tour import Tour, half
from toy import release, toy_on

ALL = os.environ.get("TOWLINE_FAULTS") == "all"
# Of the points of an operation, each so-manieth.
STRIDE = 1 if ALL else 5


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
    made = make_project(folder, bake_time="300ms")
    made.set(HTTP_PORT=8080, HTTPS_PORT=8443, PROMETHEUS_PORT=9090)
    config = made.root / "towline.yaml"
    text = config.read_text().partition("environments:")[0]
    hosts = ", ".join(host.name for host in lab.hosts)
    rollout = "rollout: {bake_time: 300ms, health_timeout: 20s, drain: 5s}\n"
    where = f"{{hosts: [{hosts}], ssh_config: '{lab.ssh_config}'}}"
    config.write_text(f"{text}{rollout}environments: {{local: {where}}}\n")
    made.commit("feat: three hosts")
    return made


def service_of_a_host():
    return Service(8443, "https", "/version") if ALL else Service(8080, "http", "/")


def make_fleet(folder, lab):
    return sample_on(folder, lab) if ALL else toy_on(folder, lab)


def promote(project, version):
    project.promote(version) if ALL else release(project, version)


def tour_of(project, lab, number):
    """Kill a deploy and a rollback at one half of the points; one version serves on all hosts."""
    service = service_of_a_host()
    path = f"/var/lib/towline/{project.name}/local/journal.jsonl"

    def events():
        lines = docker("exec", lab.hosts[0].container, "cat", path).splitlines()
        return [json.loads(line)["event"] for line in lines]

    def serving():
        found = [{service.version(host) for _ in range(5)} for host in lab.hosts]
        assert [len(versions) for versions in found] == [1] * 3, found
        return [versions.pop() for versions in found]

    with ExitStack() as stack:
        loads = [
            stack.enter_context(Load(service.url(host), steady=2, fresh=1, limit=6000))
            for host in lab.hosts
        ]

        def lost():
            assert [load.tally.lost for load in loads] == [[]] * 3

        interrupted = Tour(project, events, serving, lost).run(half(number, stride=STRIDE))
        tallies = [load.stop() for load in loads]
    assert interrupted >= 2
    for tally in tallies:
        assert tally.lost == []
        assert tally.failed == 0, tally.statuses
