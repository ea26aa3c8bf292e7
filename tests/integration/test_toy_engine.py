"""A stranger adds an engine in one file: `engine: toy` deploys and rolls back without Docker."""

from pathlib import Path

import pytest

from toy import release, toy

TOY = """
import pickle

from memory_engine import MemoryEngine

KEPT = ("containers", "replicas", "persistent", "applied", "roles", "shares", "printed", "noted")


class Toy(MemoryEngine):
    '''Its containers are lines of a file in the state folder.'''

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.file = self.state.root / "toy"
        if self.file.exists():
            vars(self).update(pickle.loads(self.file.read_bytes()))


def saved(name):
    def act(self, *arguments, **named):
        done = getattr(MemoryEngine, name)(self, *arguments, **named)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(pickle.dumps({key: getattr(self, key) for key in KEPT}))
        return done
    return act


for name in ("start", "stop", "reconcile", "route", "register", "destroy"):
    setattr(Toy, name, saved(name))
"""
SERVICES = """
services:
  web: {image: web, x-towline: {role: app, port: 8000}}
  worker: {image: web, x-towline: {role: worker}}
  migrate: {image: web, command: [sh, -c, "echo migrated"], x-towline: {role: job}}
  db: {image: db, x-towline: {role: backing}}
  nginx: {image: nginx, x-towline: {role: router}}
"""


@pytest.fixture
def project(tmp_path):
    """A small project, and an installed package that adds an engine."""
    made = toy(tmp_path)
    packages = tmp_path / "packages"
    info = packages / "toy_engine-1.0.dist-info"
    info.mkdir(parents=True)
    (packages / "toy_engine.py").write_text(TOY)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-engine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[towline.engines]\ntoy = toy_engine:Toy\n")
    tests = Path(__file__).resolve().parents[1]
    # No engine of Docker is there to fall back on.
    made.environ.update(PYTHONPATH=f"{packages}:{tests}", DOCKER_HOST="unix:///nowhere.sock")
    (made.root / "deploy/docker/docker-compose.prod.yml").write_text(SERVICES)
    config = made.root / "towline.yaml"
    config.write_text(f"engine: toy\n{config.read_text()}")
    return made


def live(project):
    """What `inv status` says of the environment."""
    return project.inv("status", "--json").ok().out


def test_it_deploys_and_rolls_back(project):
    release(project, "1.0.0")
    project.inv("deploy").ok()
    release(project, "1.1.0")
    planned = project.inv("deploy", "--dry-run").ok().out
    assert "$ start web of 1.1.0 in green" in planned
    assert "docker" not in planned.replace("docker/", "")
    project.inv("deploy").ok()
    assert '"1.1.0"' in live(project)
    project.inv("rollback", "--keep-schema", "--auto-approve").ok()
    assert '"1.0.0"' in live(project)
    gone = project.inv("down", "--yes", "--volumes").ok().text
    assert "remove volume db and its data" in gone


def test_one_that_is_misspelt_is_named_with_what_there_is(project):
    config = project.root / "towline.yaml"
    config.write_text(config.read_text().replace("engine: toy", "engine: tou"))
    done = project.inv("status")
    assert done.code == 2
    assert "unknown engine 'tou'; did you mean `toy`? (known: compose, toy)" in done.err
