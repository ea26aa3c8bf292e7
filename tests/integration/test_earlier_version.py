"""What version 0.6.0 deployed goes on with this one: its state folder, journal and containers."""

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from projects import ROOT, UNMEASURED, docker, remove
from toy import release, toy

# `chore(release): v0.6.0`; no tag travels with a branch.
COMMIT = "4a4fe66"
# What 0.6.0 calls its journal, in words that no rename of ours finds.
KILLED = """
import importlib, os, signal, sys
from invoke.main import program
Journal = importlib.import_module(".".join(("towline", "rollout", "journal"))).Journal
write = Journal.write
def counted(self, operation, event, step="", *given, **named):
    write(self, operation, event, step, *given, **named)
    if (event, step) == ("intent", "switch"):
        os.kill(os.getpid(), signal.SIGKILL)
Journal.write = counted
sys.argv = ["inv", "deploy"]
program.run()
"""


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    """Version 0.6.0, installed from its wheel."""
    folder = tmp_path_factory.mktemp("early")
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", COMMIT], capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip("the history of this clone does not reach back to 0.6.0")
    source = folder / "source"
    source.mkdir()
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source)],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("towline-0.6.0-*.whl")
    # What it needs and this version does not; the rest is here.
    needs = ["GitPython", "gitdb", "smmap"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
         str(folder / "installed"), str(wheel), *needs],
        check=True, capture_output=True,
    )  # fmt: skip
    # What is measured is the coverage of this version.
    return {"PYTHONPATH": str(folder / "installed"), **UNMEASURED}


@pytest.fixture
def project(tmp_path):
    made = toy(tmp_path, work=True)
    compose = made.root / "deploy/docker/docker-compose.prod.yml"
    compose.write_text(compose.read_text().replace(", changes_schema: false", ""))
    # As 0.6.0 calls it; this version understands that.
    settings = made.root / "towline.yaml"
    settings.write_text(settings.read_text().replace("bake_time:", "watch:"))
    yield made
    remove(made)


def served(project):
    with urllib.request.urlopen(f"http://127.0.0.1:{project.http}/", timeout=5) as answer:
        return json.loads(answer.read())["version"]


def backing(project):
    """Router and backing services by identifier: nobody made them anew.

    The router is restarted once: only that heals what 0.6.0 did to it at every switch.
    """
    label = f"label=towline.project={project.name}"
    form = '{{.Names}} {{.ID}} {{.Label "towline.role"}}'
    lines = docker("ps", "--format", form, "--filter", label).splitlines()
    return sorted(line for line in lines if line.endswith((" router", " backing")))


def test_this_version_goes_on_where_0_6_0_was_killed(project, early):
    project.environ.update(early)
    release(project, "1.0.0")
    project.inv("deploy").ok()
    release(project, "1.1.0")
    killed = project.start("-c", KILLED, program=[sys.executable])
    assert killed.wait(60) == -signal.SIGKILL
    for name in early:
        del project.environ[name]
    before = backing(project)
    assert len(before) == 2

    status = json.loads(project.inv("status", "--json").out)
    assert status["live"] == "1.0.0"
    assert "deploy 1.1.0" in status["interrupted"]
    project.inv("deploy.resume").ok()
    assert served(project) == "1.1.0"
    assert "nothing to do" in project.inv("deploy").ok().text
    project.inv("rollback", "--auto-approve", "--keep-schema").ok()
    assert served(project) == "1.0.0"
    project.inv("hold.lift").ok()
    release(project, "1.2.0")
    project.inv("deploy").ok()
    assert served(project) == "1.2.0"
    # 0.6.0 made it, and this version may come back to it.
    project.inv("rollback", "--version", "1.0.0", "--auto-approve", "--keep-schema").ok()
    assert served(project) == "1.0.0"
    assert backing(project) == before
    # 1.1.0 twice: killed, and resumed.
    rows = project.inv("history", "--json").ok().json["operations"]
    done = [row["operation"] for row in rows if row["result"] != "note"]
    assert [done.count(kind) for kind in ("deploy", "rollback")] == [4, 2]
    # 0.6.0 did not say who it was.
    assert rows[-1]["actor"] == {} != rows[0]["actor"]

    project.inv("down", "--yes", "--volumes").ok()
    label = f"label=towline.project={project.name}"
    for kind in ("container", "network", "volume"):
        every = ["--all"] if kind == "container" else []
        assert not docker(kind, "ls", "-q", *every, "--filter", label).split()
