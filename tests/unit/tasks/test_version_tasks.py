"""`inv version.*` as people type it, in a real repository."""

import json
import os
import subprocess
import sys

import pytest

import forking

FILES = {
    "tasks.py": "from towline.tasks import ns\n",
    "towline.yaml": "project: shop\nversions: {files: [VERSION]}\n",
    "VERSION": "1.0.0\n",
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "Ann")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "ann@example.org")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q", "-b", "main", "--template=")
    commit(tmp_path, "feat: start")
    git(tmp_path, "tag", "v1.0.0")
    return tmp_path


def git(root, *words):
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def commit(root, message):
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", message)


def inv(root, *words, code=0):
    done = forking.run(words, module="invoke", cwd=root, env=dict(os.environ), timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def test_next_tells_which_commits_decide(root):
    commit(root, "feat(search): find by tag")
    commit(root, "docs: a word")
    commit(root, "tidy up")
    said = inv(root, "version.next")
    assert said.startswith("1.0.0 -> 1.1.0: 1 change bumps the minor part\n")
    decided, also, free = (said.index(part) for part in ("decided by", "also", "without a"))
    assert decided < said.index("find by tag") < also < said.index("a word") < free
    assert inv(root, "version.next", "--short") == "1.1.0\n"
    data = json.loads(inv(root, "version.next", "--json"))
    assert (data["next"], data["next_tag"], data["is_new"]) == ("1.1.0", "v1.1.0", True)
    assert [item["text"] for item in data["reasons"]] == ["find by tag"]
    shown = inv(root, "version.show")
    assert "released  1.0.0  (tag v1.0.0)" in shown
    assert "3 changes: 1 other, 1 docs, 1 feat" in shown


def test_no_releasable_commit_is_said_and_is_no_error(root):
    commit(root, "docs: a word")
    assert "no new version after 1.0.0: none of 1 change releases" in inv(root, "version.next")
    # A script that asks for the next version must not get the last one.
    assert inv(root, "version.next", "--short") == ""
    for words in (("version.bump",), ("version.prepare-release", "--auto-commit")):
        assert "none of 1 change releases" in inv(root, *words)
    assert git(root, "tag").split() == ["v1.0.0"]


def test_bump_and_set_write_the_files_alone(root):
    assert "would write 2.0.0" in inv(root, "version.bump", "--type", "major", "--dry-run")
    inv(root, "version.bump", "--type", "major")
    assert (root / "VERSION").read_text() == "2.0.0\n"
    inv(root, "version.set", "2.1.0")
    assert (root / "VERSION").read_text() == "2.1.0\n"
    assert git(root, "tag").split() == ["v1.0.0"]
    assert "is not a semantic version" in inv(root, "version.set", "2.1", code=2)
    assert "is not a part of a version" in inv(root, "version.bump", "--type", "huge", code=2)


def test_a_release_from_plan_to_notes(root):
    commit(root, "feat: more")
    plan = inv(root, "version.prepare-release", "--auto-commit", "--dry-run")
    assert plan.splitlines() == [
        "release 1.0.0 -> 1.1.0: 1 change bumps the minor part",
        "write VERSION",
        "write CHANGELOG.md",
        "commit: chore(release): v1.1.0",
        "tag v1.1.0",
    ]
    assert git(root, "status", "--porcelain") == ""
    assert "next: `git push origin HEAD v1.1.0`" in inv(
        root, "version.prepare-release", "--auto-commit"
    )
    assert "More" in inv(root, "version.changelog", "--version", "1.1.0")
    assert inv(root, "version.changelog") == "CHANGELOG.md is up to date\n"
    assert "CHANGELOG.md: 1.0.0" in inv(root, "version.changelog", "--all")
    assert inv(root, "version.changelog", "--all") == "CHANGELOG.md is up to date\n"


def test_a_dirty_tree_is_refused_with_its_remedy(root):
    commit(root, "feat: more")
    (root / "tasks.py").write_text("# changed\nfrom towline.tasks import ns\n")
    said = inv(root, "version.prepare-release", "--auto-commit", code=2)
    assert "1 uncommitted change, the first is tasks.py" in said
    assert "next" in said


def test_without_a_commit_it_says_what_it_did(root):
    commit(root, "feat: more")
    said = inv(root, "version.prepare-release")
    assert said.splitlines()[:2] == [
        "1.1.0 written into VERSION",
        "1.1.0 written into CHANGELOG.md",
    ]
    assert inv(root, "version.prepare-release").startswith("the files say 1.1.0 already\n")
    assert "released 1.1.0: commit" in inv(root, "version.prepare-release", "--auto-commit")


def test_a_release_that_was_killed_is_finished_by_the_same_command(root):
    commit(root, "feat: more")
    hook = root / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    # It kills Git and us, right before the tag is made.
    hook.write_text(
        '#!/bin/sh\n[ "$1" = prepared ] && grep -q refs/tags/ || exit 0\n'
        "kill -9 $(ps -o ppid= -p $PPID); kill -9 $PPID\n"
    )
    hook.chmod(0o755)
    subprocess.run(
        [sys.executable, "-m", "invoke", "version.prepare-release", "--auto-commit"],
        cwd=root, capture_output=True, check=False,
    )  # fmt: skip
    hook.unlink()
    lock = root / ".git/refs/tags/v1.1.0.lock"
    said = inv(root, "version.prepare-release", "--auto-commit", code=2)
    assert f"{lock} exists" in said
    assert f"rm {lock}" in said
    lock.unlink()
    said = inv(root, "version.prepare-release", "--auto-commit")
    assert "released v1.1.0: commit" in said
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "rev-parse", "v1.1.0^{commit}") == git(root, "rev-parse", "HEAD")
    assert "no commit since then" in inv(root, "version.prepare-release", "--auto-commit")


def test_a_stale_lock_of_git_is_refused_with_what_to_type(root):
    commit(root, "feat: more")
    (root / ".git/index.lock").touch()
    said = inv(root, "version.prepare-release", "--auto-commit", code=2)
    assert "index.lock exists: another Git process is running" in said
    assert git(root, "tag").split() == ["v1.0.0"]
    assert (root / "VERSION").read_text() == "1.0.0\n"
