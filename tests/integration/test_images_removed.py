"""Which images and tags go with a release, on a real engine."""

import subprocess
import uuid

import pytest

from projects import LAB, docker, remove
from towline.config.envfile import read_env
from towline.engines.compose.engine import ComposeEngine
from towline.hosts.local import LocalHost
from towline.state.releases import StateFolder
from toy import release, toy


@pytest.fixture
def name():
    made = f"t{uuid.uuid4().hex[:8]}"
    yield made
    images = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for image in images:
        if made in image:
            subprocess.run(["docker", "rmi", "-f", image], capture_output=True, check=False)


def build(name, tag, *labels):
    base = (read_env(LAB, {}) if LAB.exists() else {}).get("PYTHON_IMAGE", "python:3.11-slim")
    given = [f"--label={label}" for label in labels]
    text = f"FROM {base}\nRUN echo {tag} > /made\n"
    done = subprocess.run(
        ["docker", "build", "--quiet", *given, "--tag", f"{name}:{tag}", "-"],
        input=text, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def tags(name):
    return sorted(docker("images", "--format", "{{.Tag}}", name).split())


def test_only_what_towline_built_and_tagged_is_removed(name, tmp_path):
    engine = ComposeEngine(LocalHost(), StateFolder(tmp_path), "shop", "prod")
    ours = ("1.0.0", "1.0.0-abcabcabcabc")
    image = build(name, ours[0], "towline.content=digest", f"towline.repository={name}")
    for tag in (ours[1], "customer-demo"):
        docker("tag", image, f"{name}:{tag}")
    # Somebody's own name for it, with the same version.
    docker("tag", image, f"customer/{name}:{ours[0]}")
    assert engine.images.remove(image, ours) == [f"{name}:{tag}" for tag in ours]
    assert tags(name) == ["customer-demo"]
    assert tags(f"customer/{name}") == [ours[0]]
    docker("rmi", f"{name}:customer-demo", f"customer/{name}:{ours[0]}")

    theirs = build(name, "1.0.0")
    engine.images.remove(theirs, ours)
    assert tags(name) == ["1.0.0"]
    docker("rmi", f"{name}:1.0.0")

    used = build(name, "1.0.0", "towline.content=digest")
    container = docker("create", f"{name}:1.0.0", "true").strip()
    try:
        engine.images.remove(used, ours)
        assert tags(name) == ["1.0.0"]
    finally:
        docker("rm", container)
    engine.images.remove(used, ours)
    assert tags(name) == []
    engine.images.remove(used, ours)


@pytest.fixture
def project(tmp_path):
    made = toy(tmp_path)
    yield made
    remove(made)


def test_a_release_whose_image_was_pruned_is_named_before_anything_changes(project):
    for version in ("1.0.0", "1.1.0"):
        release(project, version)
        project.inv("deploy").ok()
    label = f"label=towline.project={project.name}"
    docker("container", "prune", "--force", "--filter", label)
    docker("rmi", "--force", docker("images", "-q", f"{project.name}-api:1.0.0").strip())
    listed = project.inv("rollback", "--list-versions").ok().out
    assert "image missing" in listed
    refused = project.inv("rollback", "--auto-approve")
    assert refused.code == 2, refused.text
    assert "the image of web in release 1.0.0 is no longer on" in refused.err
    assert project.inv("status", "--json").ok().json["release"] == "1.1.0"
