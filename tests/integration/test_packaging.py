"""The wheel in a clean environment: a stranger's repository, and the package's own binary."""

import os
import subprocess
import sys
import venv
import zipfile

import pytest

from projects import ROOT


def run(*argv, cwd):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(a) for a in argv], cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("towline-*.whl")
    return built


@pytest.fixture(scope="module")
def clean(tmp_path_factory, wheel):
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=True)
    run(folder / "bin/pip", "install", "--quiet", wheel, cwd=folder)
    return folder / "bin"


def test_the_wheel_holds_tasks_templates_schema_and_types(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "towline/tasks/__init__.py",
        "towline/tasks/deploy.py",
        "towline/py.typed",
        "towline/schema/towline.schema.json",
        "towline/templates/towline.yaml.j2",
        "towline/templates/deploy/docker/docker-compose.prod.yml.j2",
    ):
        assert wanted in names
    assert not any(name.startswith(("tests/", "sample/", "tasks/")) for name in names)


def test_a_strangers_repository_lists_and_scaffolds(clean, tmp_path):
    (tmp_path / "tasks.py").write_text("from towline.tasks import ns\n")
    nested = tmp_path / "some" / "folder"
    nested.mkdir(parents=True)
    for place in (tmp_path, nested):
        listed = run(clean / "inv", "--list", cwd=place).stdout
        for name in ("promote", "deploy.plan", "rollback", "init.secrets", "status"):
            assert name in listed
    (tmp_path / "app.py").write_text("print('hello')\n")
    run(clean / "inv", "init", "--name", "shop", cwd=tmp_path)
    assert (tmp_path / "towline.yaml").is_file()
    assert (tmp_path / "tasks.py").read_text() == "from towline.tasks import ns\n"
    assert (tmp_path / "deploy/docker/docker-compose.prod.yml").is_file()


def test_the_binary_has_the_same_tasks(clean, tmp_path):
    assert "deploy.plan" in run(clean / "towline", "--list", cwd=tmp_path).stdout
    assert "Towline" in run(clean / "towline", "--version", cwd=tmp_path).stdout.title()
