"""Towline changes and removes only what it made, and keeps in use what 0.6.0 made."""

import json
import sys
import uuid
from pathlib import Path

import pytest

from loadgen import wait_until
from projects import docker, remove
from towline.engines.compose.engine import ComposeEngine
from towline.engines.compose.names import compose_project
from towline.hosts.local import LocalHost
from towline.state.releases import StateFolder
from toy import release, toy

EARLY = str(Path(__file__).resolve().parents[1] / "early_names.py")
IMAGE = "towline-lab/python:3.11"


@pytest.fixture
def make(tmp_path):
    made = []

    def build(**shape):
        project = toy(tmp_path, work=True, **shape)
        # A volume that only apps use, and which the job needs to be there.
        compose = project.root / "deploy/docker/docker-compose.prod.yml"
        text = compose.read_text().replace(
            "x-towline: {role: app", UPLOADS + "x-towline: {role: app"
        )
        compose.write_text(text + "volumes: {uploads: {}}\n")
        made.append(project)
        return project

    yield build
    for project in made:
        remove(project)


UPLOADS = 'volumes: ["uploads:/uploads"]\n    '


@pytest.fixture
def planted():
    """Containers, networks and volumes of others, by what the engine calls them."""
    found = {"container": [], "network": [], "volume": []}
    yield found
    for kind, names in found.items():
        for name in names:
            force = ["--force"] if kind != "network" else []
            docker(kind, "rm", *force, name)


def a_container(planted, name, *options):
    docker("run", "--detach", "--name", name, *options, image(), "sleep", "600")
    planted["container"].append(name)
    return docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name)


def image():
    found = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return IMAGE if IMAGE in found else "python:3.11-slim"


def test_what_others_have_under_our_names_stops_a_deploy_and_is_left_alone(make, planted):
    project = make()
    name = f"{project.name}-local"
    release(project, "1.0.0")
    labels = [f"--label=com.docker.compose.project={name}-blue",
              "--label=com.docker.compose.service=web"]  # fmt: skip
    theirs = a_container(planted, f"{name}-theirs", *labels)
    docker("volume", "create", f"{name}_uploads")
    refused = project.inv("deploy")
    assert refused.code == 3, refused.text
    assert f"container {name}-theirs is in Compose project {name}-blue and not ours" in refused.err
    assert f"volume {name}_uploads exists and is not ours" in refused.err
    refused = project.inv("deploy", "--skip-check")
    assert refused.code == 1, refused.text
    assert "nothing was changed" in refused.err
    assert project.containers() == ""
    assert docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", f"{name}-theirs") == theirs
    docker("rm", "--force", planted["container"].pop())
    docker("volume", "rm", f"{name}_uploads")
    project.inv("deploy").ok()
    # Who joins our network keeps it, and is not touched.
    guest = a_container(planted, f"{name}-guest", f"--network={name}_default")
    down = project.inv("down", "--yes", "--volumes").ok()
    assert f"network {name}_default is left" in down.err
    assert docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", f"{name}-guest") == guest
    assert f"{name}_uploads" not in docker("volume", "ls", "-q").split()


def test_an_environment_that_version_0_6_made_goes_on_as_it_is(make):
    project = make(suffix="-x")
    early = f"{project.name}-local"
    own = compose_project(project.name, "local")
    assert own != early
    release(project, "1.0.0")
    first = project.start("deploy", program=[sys.executable, EARLY])
    assert first.wait(timeout=200) == 0, first.stdout.read()
    kept = persistent(project)
    assert {item.partition(" ")[0] for item in kept} == {f"/{early}-nginx-1", f"/{early}-notes-1"}
    docker("exec", f"{early}-blue-web-1", "sh", "-c", "ls -d /uploads")
    release(project, "1.1.0")
    project.inv("deploy").ok()
    # Nothing that stays was touched, and the new release uses the same network and volume.
    assert persistent(project) == kept
    web = json.loads(docker("inspect", f"{own}-green-web-1"))[0]
    assert list(web["NetworkSettings"]["Networks"]) == [f"{early}_default"]
    assert [mount["Name"] for mount in web["Mounts"]] == [f"{early}_uploads"]
    project.inv("rollback", "--auto-approve").ok()
    assert persistent(project) == kept
    # Once it is down it gets today's names; its data stay where they are.
    project.inv("down", "--yes").ok()
    project.inv("hold.lift").ok()
    project.inv("deploy").ok()
    names = [item.partition(" ")[0] for item in persistent(project)]
    assert names == [f"/{own}-nginx-1", f"/{own}-notes-1"]
    project.inv("rollback", "--auto-approve").ok()
    assert [item.partition(" ")[0] for item in persistent(project)] == names
    volumes = docker("volume", "ls", "-q", "--filter", f"name={project.name}-local")
    assert volumes.split() == [f"{early}_uploads"]


SLOW = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(1.5)
    pathlib.Path("/data/written").write_text("everything")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    time.sleep(0.1)
"""


def test_down_gives_a_database_its_grace_period(tmp_path, planted):
    name = f"t{uuid.uuid4().hex[:8]}"
    labels = {"project": name, "env": "local", "role": "backing", "service": "db"}
    docker(
        "run", "--detach", "--name", f"{name}-db", "--volume", f"{name}_data:/data",
        "--stop-timeout", "20", *(f"--label=towline.{key}={text}" for key, text in labels.items()),
        image(), "python3", "-c", SLOW,
    )  # fmt: skip
    planted["volume"].append(f"{name}_data")
    wait_until(lambda: "ready" in docker("logs", f"{name}-db"), "it does not start")
    engine = ComposeEngine(LocalHost(), StateFolder(tmp_path), name, "local")
    assert engine.destroy(data=True) == []
    assert docker("ps", "--all", "--quiet", "--filter", f"name={name}-db") == ""
    # It could write all it had; the volume is not one that Towline made.
    mount = f"--volume={name}_data:/data"
    assert docker("run", "--rm", mount, image(), "cat", "/data/written") == "everything"


def persistent(project):
    """Backing services and router: name, id, state and start time of each."""
    lines = project.containers().splitlines()
    return sorted(line for line in lines if "-nginx-" in line or "-notes-" in line)
