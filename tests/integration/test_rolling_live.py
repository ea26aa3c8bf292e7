"""A rolling deploy on a real engine, under load: capacity is sampled while it goes on."""

import subprocess
import threading

import pytest

from loadgen import Load
from projects import docker, remove
from toy import APP, release, toy

BROKEN = APP.replace("self.send_response(200)", "self.send_response(503)")


@pytest.fixture
def make(tmp_path):
    made = []

    def build(rolling):
        rollout = f", strategy: rolling, replicas: 4, rolling: {rolling}"
        made.append(toy(tmp_path, rollout=rollout))
        return made[-1]

    yield build
    for project in made:
        remove(project)


class Samples:
    """How many app containers run, again and again."""

    def __init__(self, project):
        self.counts = []
        self._argv = [
            "docker", "ps", "-q", "--filter", f"label=towline.project={project.name}",
            "--filter", "label=towline.role=app", "--filter", "status=running",
        ]  # fmt: skip
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def _sample(self):
        while not self._ended.wait(0.1):
            done = subprocess.run(self._argv, capture_output=True, text=True, check=True)
            self.counts.append(len(done.stdout.split()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._ended.set()
        self._thread.join()


def test_a_rolling_deploy_keeps_its_capacity_and_loses_nothing(make):
    project = make("{batch: 1, max_surge: 1, max_unavailable: 0}")
    release(project, "1.0.0")
    project.inv("deploy").ok()
    release(project, "1.1.0")
    with Load(f"http://127.0.0.1:{project.http}/") as load, Samples(project) as samples:
        done = project.inv("deploy").ok()
        tally = load.stop()
    assert (tally.lost, tally.failed) == ([], 0)
    assert set(tally.releases) == {"1.0.0", "1.1.0"}
    assert "go on with 3 web of the new release" in done.err
    assert len(samples.counts) > 10
    assert (min(samples.counts), max(samples.counts)) == (4, 5)
    release(project, "1.2.0", BROKEN)
    with Load(f"http://127.0.0.1:{project.http}/") as load, Samples(project) as samples:
        done = project.inv("deploy")
        tally = load.stop()
    assert done.code == 4, done.text
    assert "1.1.0 serves all traffic" in done.err
    # It was not ready, so nobody met it.
    assert (tally.lost, tally.failed, set(tally.releases)) == ([], 0, {"1.1.0"})
    assert min(samples.counts) == 4
    running = docker("ps", "-q", "--filter", f"label=towline.project={project.name}",
                     "--filter", "label=towline.role=app").split()  # fmt: skip
    assert len(running) == 4
    # The way back of a person has no room for two sets either, and loses nothing.
    with Load(f"http://127.0.0.1:{project.http}/") as load, Samples(project) as samples:
        project.inv("rollback", "--auto-approve").ok()
        tally = load.stop()
    assert (tally.lost, tally.failed, set(tally.releases)) == ([], 0, {"1.0.0", "1.1.0"})
    assert (min(samples.counts), max(samples.counts)) == (4, 5)
