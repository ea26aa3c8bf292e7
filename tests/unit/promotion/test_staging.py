"""Copies that are hashed as they are written, by a few threads when there are many."""

import hashlib
import os
import shutil
import threading

import pytest
from killing import die_at, number
from project_files import git, write
from test_promotion_killed import fresh_copy

from towline.config.loading import load
from towline.errors import CheckFailed, UsageError
from towline.promotion import copying
from towline.promotion import manifest as manifests
from towline.promotion import swap as swaps
from towline.promotion.promotion import plan_promotion, promote, recover
from towline.promotion.threads import for_each

MANY = {f"app/src/part{n % 3}/file{n:03}.txt": f"content {n}\n" for n in range(120)}


@pytest.mark.parametrize("count", [0, 1, 31, 32, 500])
def test_work_is_done_once_for_each(count):
    done = []
    for_each(done.append, range(count))
    assert sorted(done) == list(range(count))


def test_few_are_done_here_and_in_order():
    done = []
    for_each(lambda item: done.append((item, threading.current_thread())), [3, 1, 2])
    assert done == [(item, threading.main_thread()) for item in (3, 1, 2)]


@pytest.mark.parametrize("count", [10, 5000])
def test_the_first_error_ends_it(count):
    done, workers = [], set()

    def work(item):
        done.append(item)
        workers.add(threading.current_thread())
        if item == 5:
            raise ValueError("five")

    with pytest.raises(ValueError, match="five"):
        for_each(work, range(count))
    assert 5 in done
    assert len(done) < 5000
    assert not any(thread.is_alive() for thread in workers - {threading.main_thread()})


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_copy_is_whole_and_its_digest_right(tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "from").write_bytes(data)
    digest, state = copying.copy(str(tmp_path / "from"), str(tmp_path / "to"), 0o755)
    assert state == (tmp_path / "to").stat()  # reading it first would change when it was read
    assert (tmp_path / "to").read_bytes() == data
    assert digest == hashlib.sha256(data).hexdigest() == copying.digest(str(tmp_path / "to"))[0]


def test_the_umask_does_not_matter(tmp_path):
    (tmp_path / "from").write_text("x")
    before = os.umask(0o077)
    try:
        copying.copy(str(tmp_path / "from"), str(tmp_path / "to"), 0o755)
    finally:
        os.umask(before)
    assert (tmp_path / "to").stat().st_mode & 0o777 == 0o755


def test_links_are_not_followed_and_pipes_not_waited_for(tmp_path):
    (tmp_path / "file").write_text("secret")
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(OSError, match="symbolic links"):
        copying.copy(str(tmp_path / "link"), str(tmp_path / "to"), 0o644)
    os.mkfifo(tmp_path / "pipe")
    assert copying.digest(str(tmp_path / "pipe"))[0] == hashlib.sha256().hexdigest()


def test_a_copy_overwrites_nothing(tmp_path):
    write(tmp_path, {"from": "x", "to": "y"})
    with pytest.raises(FileExistsError):
        copying.copy(str(tmp_path / "from"), str(tmp_path / "to"), 0o644)
    assert (tmp_path / "to").read_text() == "y"


@pytest.fixture
def many(project):
    """A project that threads are worth while for."""
    write(project.root, MANY)
    (project.root / "app/src/part0/run").write_text("#!/bin/sh\n")
    (project.root / "app/src/part0/run").chmod(0o755)
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "feat: many")
    return project


def test_many_files(many):
    done = promote(many, plan_promotion(many))
    tree = many.deploy_tree
    assert manifests.verify(tree, done.manifest) == []
    for path, text in MANY.items():
        assert (tree / path.removeprefix("app/")).read_text() == text
    assert (tree / "src/part0/run").stat().st_mode & 0o777 == 0o755
    assert list(done.manifest.files) == sorted(done.manifest.files)


@pytest.mark.parametrize("turn", ["edited", "removed", "a link", "a folder", "a pipe"])
def test_a_source_that_turns_after_the_plan(many, turn):
    plan = plan_promotion(many)
    path = many.source_tree / "src/part1/file100.txt"
    path.unlink()
    {
        "edited": lambda: path.write_text("content 99\n"),
        "removed": lambda: None,
        "a link": lambda: path.symlink_to("file103.txt"),
        "a folder": path.mkdir,
        "a pipe": lambda: os.mkfifo(path),
    }[turn]()
    with pytest.raises(CheckFailed, match=r"file100\.txt was changed .* nothing was promoted"):
        promote(many, plan)
    assert swaps.leftovers(many.deploy_tree) == []
    assert not (many.deploy_tree / "src").exists()


def test_killed_among_threads(many, tmp_path):
    plan = plan_promotion(many)
    old = manifests.scan(many.deploy_tree)
    outcomes = set()
    for step in range(1, 2000, 37):
        project = fresh_copy(many, tmp_path / "copy")
        through = die_at(
            number(step), lambda p=project: promote(p, plan_promotion(p), commit=False)
        )
        recover(project)
        assert swaps.leftovers(project.deploy_tree) == []
        found = manifests.scan(project.deploy_tree)
        is_new = (project.deploy_tree / manifests.MANIFEST_FILE).exists()
        assert found == (plan.manifest.files if is_new else old), f"a mixture at step {step}"
        outcomes.add(is_new)
        if through:
            break
    assert outcomes == {True, False}


def test_only_what_is_included_is_copied(project):
    settings = project.root / "towline.yaml"
    new = settings.read_text().replace("promote:\n", 'promote:\n  include: ["*.py", "*.txt"]\n')
    settings.write_text(new)
    write(project.root, {"app/src/notes.md": "", "app/src/list.txt": "", "app/src/a.pyc": ""})
    git(project.root, "add", "-A", "--force")
    git(project.root, "commit", "-qm", "feat: more")
    done = promote(load(project.root), plan_promotion(load(project.root)))
    assert {"src/list.txt", "src/shop/main.py"} <= done.manifest.files.keys()
    assert done.manifest.files.keys().isdisjoint({"src/notes.md", "src/a.pyc", "src/run"})
    settings.write_text(new.replace('"*.txt"', '"!*.py"'))
    git(project.root, "commit", "-qam", "chore: settings")
    with pytest.raises(UsageError, match="holds no file to promote") as caught:
        plan_promotion(load(project.root))
    assert "promote.include" in caught.value.remedy


def test_a_link_to_a_folder_is_a_link(project):
    (project.source_tree / "src/alias").symlink_to("shop")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "feat: alias")
    done = promote(project, plan_promotion(project))
    assert done.manifest.files["src/alias"].mode == "link"
    assert done.manifest.files["src/alias"].target == "shop"
    shutil.rmtree(project.deploy_tree / "src/shop")
    assert manifests.scan(project.deploy_tree)["src/alias"].mode == "link"
