"""A promotion that is killed at any step leaves, once recovered, the old tree or the new one.

The child process dies by `os._exit` right before its N-th change of the file system or start of
a program, for every N until it gets through: no handler runs, as with SIGKILL.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killing import changing, die_at
from project_files import git, write

from towline.config.loading import load
from towline.errors import CheckFailed, TowlineError
from towline.promotion import manifest as manifests
from towline.promotion import swap as swaps
from towline.promotion.promotion import plan_promotion, promote, recover


def the_manifest_comes_in(event, arguments):
    return event == "os.rename" and str(arguments[1]).endswith("deploy/release.json")


def git_commits(event, arguments):
    return event == "subprocess.Popen" and "commit" in arguments[1]


def state(project):
    """What must be old or new together: the deploy tree's files and the version files."""
    return (
        manifests.scan(project.deploy_tree),
        manifests.read(project.deploy_tree).version,
        (project.source_tree / "pyproject.toml").read_text(),
        (project.source_tree / "src/shop/__init__.py").read_text(),
    )


@pytest.fixture
def prepared(project):
    """A project with one promotion behind it and changes of every kind before it."""
    promote(project, plan_promotion(project))
    write(
        project.root,
        {
            "towline.yaml": (project.root / "towline.yaml")
            .read_text()
            .replace("{src: src,", "{extra: extra/new, src: src,"),
            "app/extra/a.txt": "new entry",
            "app/src/shop/main.py": "print('two')\n",
            "app/requirements.txt": "fastapi\nredis\n",
        },
    )
    (project.source_tree / "src/shop/old.py").unlink()
    shutil.rmtree(project.source_tree / "tests/e2e")
    write(project.root, {"app/tests/e2e": "now a file\n"})
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "feat: two")
    return load(project.root)


def fresh_copy(prepared, place):
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(prepared.root, place, symlinks=True)
    return load(place)


def check_killed_everywhere(prepared, place, *, commit):
    old = state(prepared)
    reference = fresh_copy(prepared, place)
    promote(reference, plan_promotion(reference), commit=commit)
    new = state(reference)
    assert old != new
    project = fresh_copy(prepared, place)
    plan = plan_promotion(project)
    outcomes = []
    for step in range(1, 1000):
        project = fresh_copy(prepared, place)
        through = die_at(changing(step), lambda p=project: promote(p, plan, commit=commit))
        if not through and swaps.leftovers(project.deploy_tree):
            with pytest.raises(CheckFailed, match="interrupted"):
                plan_promotion(project)
        recover(project)
        found = state(project)
        assert found in (old, new), f"a mixture after dying before step {step}"
        assert swaps.leftovers(project.deploy_tree) == []
        outcomes.append(found == new)
        if commit:
            said = git(project.root, "log", "-1", "--format=%s")
            assert ("promote shop 1.1.0" in said) == (found == new)
            assert git(project.root, "status", "--porcelain") == "", f"step {step}"
        if through:
            break
    # Once new, always new: there is one point at which it lands.
    assert outcomes == sorted(outcomes)
    assert outcomes[-1]
    assert not outcomes[0]
    return len(outcomes)


def test_killed_at_every_step(prepared, tmp_path):
    assert check_killed_everywhere(prepared, tmp_path / "copy", commit=False) > 40


def test_killed_at_every_step_with_a_commit(prepared, tmp_path):
    assert check_killed_everywhere(prepared, tmp_path / "copy", commit=True) > 40


@pytest.mark.parametrize(
    ("moment", "commit"), [(the_manifest_comes_in, False), (git_commits, True)]
)
def test_recovery_killed_at_every_step(prepared, tmp_path, moment, commit):
    """Recovery itself may be killed, and is then recovered from."""
    old = state(prepared)
    half = fresh_copy(prepared, tmp_path / "half")
    plan = plan_promotion(half)
    assert not die_at(moment, lambda: promote(half, plan, commit=commit))
    assert len(swaps.leftovers(half.deploy_tree)) == 1
    assert manifests.scan(half.deploy_tree) != old[0]
    for step in range(1, 1000):
        project = fresh_copy(half, tmp_path / "copy")
        through = die_at(changing(step), lambda p=project: recover(p))
        recover(project)
        assert state(project) == old, f"recovery died before step {step}"
        if through:
            break
    assert step > 10


def test_every_failing_rename_is_taken_back(prepared, tmp_path, monkeypatch):
    old = state(prepared)
    outcomes = []
    for count in range(1, 100):
        project = fresh_copy(prepared, tmp_path / "copy")
        plan = plan_promotion(project)
        calls = []
        error = None
        with monkeypatch.context() as patch:
            for name in ("rename", "replace"):
                patch.setattr(os, name, failing(getattr(os, name), calls, count))
            try:
                promote(project, plan, commit=False)
            except TowlineError as caught:
                error = caught
        outcomes.append(error)
        if error is not None:
            assert state(project) == old, f"rename {count}"
            assert git(project.root, "status", "--porcelain") == ""
        else:
            # A file's exchange falls back on two renames, so a failure may be got over.
            assert manifests.read(project.deploy_tree).version == "1.1.0"
        assert swaps.leftovers(project.deploy_tree) == []
        assert manifests.verify(project.deploy_tree, manifests.read(project.deploy_tree)) == []
        if len(calls) < count:
            break
    messages = [error.message for error in outcomes if error]
    assert len(messages) > 8
    assert all("No space left" in text and "deploy/ is as it was" in text for text in messages)


def failing(real, calls, wanted):
    def call(*arguments, **named):
        calls.append(arguments)
        if len(calls) == wanted:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[1]))
        return real(*arguments, **named)

    return call


def test_ctrl_c_while_a_hook_runs(prepared):
    old = state(prepared)
    hook = prepared.root / ".git/hooks/pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\ntouch .git/started\nexec sleep 20\n")
    hook.chmod(0o755)
    code = (
        "import sys, pathlib\n"
        "from towline.config.loading import load\n"
        "from towline.promotion.promotion import plan_promotion, promote\n"
        "project = load(pathlib.Path(sys.argv[1]))\n"
        "promote(project, plan_promotion(project))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(prepared.root)],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not Path(prepared.root / ".git/started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(60) != 0
    (prepared.root / ".git/index.lock").unlink(missing_ok=True)
    recover(prepared)
    assert state(prepared) == old
    assert git(prepared.root, "status", "--porcelain") == ""
