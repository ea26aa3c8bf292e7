"""Jobs that take too long, and jobs whose deployer died, on a real engine."""

import time

import pytest

from projects import docker, remove
from toy import release, toy

JOB = """
  migrate:
    image: {name}-api:${{TOWLINE_VERSION:-dev}}
    command: [sh, -c, "trap 'echo put away; exit 3' TERM; echo begun; sleep {seconds} & wait"]
    x-towline: {{role: job, timeout: {limit}}}
"""


@pytest.fixture
def project(tmp_path):
    made = toy(tmp_path, router=False, rollout=", strategy: recreate")
    yield made
    remove(made)


def promote(project, version, *, seconds, limit):
    compose = project.root / "deploy/docker/docker-compose.prod.yml"
    text = compose.read_text().partition("\n  migrate:")[0].rstrip()
    job = JOB.format(name=project.name, seconds=seconds, limit=limit)
    compose.write_text(text + job)
    release(project, version)


def jobs(project):
    """The job containers of a project: those that run, and all."""
    found = ["--filter", f"label=towline.project={project.name}", "--filter",
             "label=towline.role=job", "--format", "{{.Names}}"]  # fmt: skip
    return docker("ps", *found).split(), docker("ps", "-a", *found).split()


def kill_in_job(project, *command):
    """Kill a command with SIGKILL while its job runs; returns the job's container."""
    process = project.start(*command)
    ends = time.monotonic() + 60
    while not jobs(project)[0]:
        assert time.monotonic() < ends, "no job was started"
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.kill()
    process.communicate()
    return jobs(project)[0]


def test_a_job_beyond_its_limit_is_stopped_and_all_of_its_output_retained(project):
    promote(project, "1.0.0", seconds=60, limit="1s")
    done = project.inv("deploy")
    assert done.code == 1, done.text
    assert "job migrate of release 1.0.0 did not end within 1.0 s, and was stopped" in done.err
    assert "x-towline: {timeout: 2h}" in done.err
    # It got its signal and the time to put its work away.
    assert jobs(project)[0] == []
    log = project.folder / "releases/1.0.0/logs/migrate.log"
    assert log.read_text() == "begun\nput away\n"
    assert str(log) in done.err


def test_a_job_whose_deployer_was_killed_is_waited_for_stopped_or_in_the_way(project):
    promote(project, "1.0.0", seconds=1, limit="30s")
    project.inv("deploy").ok()
    promote(project, "1.1.0", seconds=6, limit="30s")

    # Resume waits for the very run that goes on, and does not begin another beside it.
    left = kill_in_job(project, "deploy")
    resumed = project.start("deploy.resume")
    seen = set()
    while resumed.poll() is None:
        seen.update(jobs(project)[1])
        time.sleep(0.05)
    assert resumed.returncode == 0, resumed.communicate()[0]
    resumed.communicate()
    assert seen == set(left)

    # Abort stops it, and says so.
    promote(project, "1.2.0", seconds=60, limit="90s")
    kill_in_job(project, "deploy")
    aborted = project.inv("deploy.abort").ok()
    assert "stopped migrate, which was still running" in aborted.err
    assert jobs(project)[0] == []

    # Nothing of another release begins while one runs.
    (left,) = kill_in_job(project, "migrate")
    promote(project, "1.3.0", seconds=1, limit="30s")
    refused = project.inv("deploy")
    assert refused.code == 2, refused.text
    assert "job migrate of release 1.2.0 is still running" in refused.err
    assert f"docker stop {left}" in refused.err
    docker("stop", left)
    project.inv("deploy").ok()
