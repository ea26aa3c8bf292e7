"""Remembered digests: any change that Git would find is found, and a bad memory is none."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from project_files import git, write

from towline.errors import CheckFailed
from towline.promotion import copying, digests
from towline.promotion import manifest as manifests
from towline.promotion.digests import Digests, open_digests
from towline.promotion.promotion import plan_promotion, promote
from towline.promotion.tree import scan

FALSE = "ab" * 32


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def remembered(tree, memory):
    """A tree whose one file is remembered with a digest that tells whether it was read."""
    write(tree, {"a.txt": "one"})
    known = Digests(memory)
    path = tree / "a.txt"
    known.learn_own(str(path), path.lstat(), FALSE)
    known.save()
    return path


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory" / "digests"


@pytest.fixture
def no_doubt(monkeypatch):
    """Files of this test are old enough to be trusted."""
    monkeypatch.setattr(digests, "_DOUBT", -(10**12))


@pytest.fixture
def reads(monkeypatch):
    """Paths of the files that were read for their digest."""
    found = []
    real = copying.digest
    monkeypatch.setattr(copying, "digest", lambda path: found.append(path) or real(path))
    return found


def test_an_unchanged_file_is_not_read(tmp_path, memory):
    tree = tmp_path / "tree"
    remembered(tree, memory)
    assert scan(tree, Digests(memory))["a.txt"].sha256 == FALSE
    assert scan(tree)["a.txt"].sha256 == sha256("one")


def edit_in_place(path):
    state = path.stat()
    path.write_text("two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def swap_for_another(path):
    other = path.with_name("other")
    other.write_text("two")
    shutil.copystat(path, other)
    other.replace(path)


@pytest.mark.parametrize("change", [edit_in_place, swap_for_another])
def test_same_size_and_time_do_not_hide_a_change(tmp_path, memory, change):
    path = remembered(tmp_path / "tree", memory)
    change(path)
    assert scan(path.parent, Digests(memory))["a.txt"].sha256 == sha256("two")


@pytest.mark.parametrize("change", [lambda path: path.chmod(0o755), os.utime, os.unlink])
def test_mode_time_and_absence_count(tmp_path, memory, change):
    path = remembered(tmp_path / "tree", memory)
    change(path)
    found = scan(path.parent, Digests(memory))
    assert FALSE not in {item.sha256 for item in found.values()}
    assert found == scan(path.parent)


def test_a_file_that_was_just_written_is_not_trusted(tmp_path, memory):
    """Written again in the same tick of the clock, it would look the same."""
    write(tmp_path, {"tree/a.txt": "one"})
    known = Digests(memory)
    scan(tmp_path / "tree", known)
    known.save()
    assert not memory.exists()


def test_what_is_gone_is_forgotten(tmp_path, memory, no_doubt):
    tree = tmp_path / "tree"
    write(tree, {"a.txt": "one", "b.txt": "two"})
    known = Digests(memory)
    scan(tree, known)
    known.save()
    (tree / "a.txt").unlink()
    write(tree, {"c.txt": "three"})
    known = Digests(memory)
    scan(tree, known)
    known.save()
    assert b"a.txt" not in memory.read_bytes()
    assert b"b.txt" in memory.read_bytes()


def test_a_damaged_memory_is_an_empty_one(tmp_path, memory):
    path = remembered(tmp_path / "tree", memory)
    whole = memory.read_bytes()
    damaged = [whole[:size] for size in range(0, len(whole), 7)]
    damaged += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    for data in [*damaged, b"nonsense", whole + b"\0"]:
        memory.write_bytes(data)
        assert Digests(memory).find(str(path), path.lstat()) is None
    memory.write_bytes(whole)
    assert Digests(memory).find(str(path), path.lstat()) == FALSE


def test_a_count_that_is_no_count(tmp_path, memory):
    path = remembered(tmp_path / "tree", memory)
    for count in (-1, 2, 2**62):
        body = count.to_bytes(8, "little", signed=True) + b"rest"
        data = b"towline digests 1\n" + hashlib.sha256(body).digest() + body
        memory.write_bytes(data)
        assert Digests(memory).find(str(path), path.lstat()) is None


def test_a_memory_that_cannot_be_written_is_no_error(tmp_path):
    tree = tmp_path / "tree"
    (tmp_path / "file").write_text("")
    path = remembered(tree, tmp_path / "file" / "digests")
    assert scan(tree, Digests(tmp_path / "file" / "digests"))["a.txt"].sha256 == sha256("one")
    assert path.read_text() == "one"


def test_what_a_kill_left_beside_it_is_removed(tmp_path, memory):
    remembered(tmp_path / "tree", memory)
    (memory.parent / ".promoting-x1").write_text("half")
    remembered(tmp_path / "tree", memory)
    assert list(memory.parent.iterdir()) == [memory]


def test_it_lies_in_the_folder_of_git(project, tmp_path):
    assert open_digests(project.root).file == project.root / ".git/towline/digests"
    git(project.root, "worktree", "add", "-q", str(tmp_path / "second"))
    own = project.root / ".git/worktrees/second/towline/digests"
    assert open_digests(tmp_path / "second").file == own
    assert open_digests(tmp_path).file is None


def test_outside_of_git_nothing_is_kept(tmp_path):
    known = open_digests(tmp_path)
    path = tmp_path / "a.txt"
    path.write_text("one")
    known.learn_own(str(path), path.lstat(), FALSE)
    known.save()
    assert known.find(str(path), path.lstat()) == FALSE
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_promotion_reads_no_file(project, no_doubt, reads):
    promote(project, plan_promotion(project))
    promote(project, plan_promotion(project))
    reads.clear()
    plan = plan_promotion(project)
    assert plan.nothing_to_do
    assert reads == []
    assert git(project.root, "status", "--porcelain") == ""


def test_a_dry_run_keeps_nothing(project, no_doubt):
    plan_promotion(project)
    assert not (project.root / ".git/towline").exists()


@pytest.mark.parametrize("change", [edit_in_place, swap_for_another])
def test_a_promotion_finds_every_change(project, no_doubt, change):
    write(project.root, {"app/src/shop/main.py": "one"})
    git(project.root, "commit", "-qam", "feat: one")
    promote(project, plan_promotion(project))
    promote(project, plan_promotion(project))
    change(project.deploy_tree / "src/shop/main.py")
    with pytest.raises(CheckFailed, match=r"deploy/src/shop/main\.py"):
        plan_promotion(project)
    change(project.source_tree / "src/shop/main.py")
    plan = plan_promotion(project, allow_dirty=True)
    assert plan.manifest.files["src/shop/main.py"].sha256 == sha256("two")


def test_the_check_before_a_deploy_reads_every_file(project):
    promote(project, plan_promotion(project))
    known = open_digests(project.root)
    path = project.deploy_tree / "src/shop/main.py"
    right = manifests.read(project.deploy_tree).files["src/shop/main.py"].sha256
    path.write_text("print('bad')\n")
    known.learn_own(str(path), path.lstat(), right)
    known.save()
    (finding,) = manifests.verify(project.deploy_tree, manifests.read(project.deploy_tree))
    assert "src/shop/main.py was changed" in finding.message


def test_a_moved_project_is_read_again(project, tmp_path, no_doubt, reads):
    promote(project, plan_promotion(project))
    moved = Path(shutil.move(project.root, tmp_path / "elsewhere"))
    reads.clear()
    assert scan(moved / "deploy", open_digests(moved)) == scan(moved / "deploy")
    assert reads
