"""Tasks that are listed before their modules are loaded are the tasks that the modules have."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from towline.tasks import deferred, index, members

ns = deferred.collect(index.TASKS, index.DEFAULTS)

ROOT = Path(__file__).resolve().parents[3]


def test_the_index_is_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/task-index", "--check"], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_it_has_every_task_under_its_names():
    assert ns.task_names == members.ns.task_names
    assert ns.serialized() == members.ns.serialized()
    assert ns.default == members.ns.default


@pytest.mark.parametrize("name", list(members.ns.task_names))
def test_a_task_is_the_one_of_its_module(name):
    found, whole = deepcopy(ns[name]), members.ns[name]
    for key in ("body", "positional", "optional", "iterable", "pre", "auto_shortflags"):
        assert getattr(found, key) == getattr(whole, key)
    assert found.__doc__ == whole.__doc__
    assert found.is_default == whole.is_default
    with pytest.raises(AttributeError, match="no 'nothing'"):
        found.nothing  # noqa: B018


@pytest.mark.parametrize("own", [
    "from towline.tasks import ns\n",
    ("from invoke import Collection\nfrom towline.tasks import ns as theirs\n"
    "ns = Collection()\nns.add_collection(theirs, 'towline')\n"
    "ns.add_task(theirs['version.set'], 'stamp')\n"),
])  # fmt: skip
def test_every_task_of_a_line_has_its_options(tmp_path, own):
    (tmp_path / "tasks.py").write_text(own)
    at = "towline." if "theirs" in own else ""

    def inv(*words):
        return subprocess.run(
            [sys.executable, "-m", "invoke", *words],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    # One by its alias, one by its namespace; none would know the option otherwise.
    done = inv(f"{at}check", "--env", "prod", f"{at}version", "--json")
    assert done.returncode == 2
    assert "no towline.yaml" in done.stderr
    assert "--env" in inv("--help", f"{at}deploy").stdout
    assert "--dry-run" in inv(f"{at}version.bump", "--help").stdout
    if at:
        assert "--dry-run" in inv("stamp", "--help").stdout
    offered = inv("--complete", "--", f"inv {at}deploy --").stdout
    assert "--env" in offered
