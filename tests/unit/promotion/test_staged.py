"""What no promotion here left is not obeyed: staging folders, and hashes in a manifest."""

import base64
import json
from contextlib import suppress

import pytest
from project_files import git, write

from towline.config.loading import load
from towline.errors import TowlineError, UsageError
from towline.promotion import manifest as manifests
from towline.promotion.promotion import plan_promotion, promote, recover


@pytest.fixture
def promoted(project):
    promote(project, plan_promotion(project))
    return project


def plant(project, *, present=(), stamps=(), targets=("src",), commit_paths=("..",)):
    """What a kill leaves after its intention, with things of somebody else in it."""
    staging = project.deploy_tree / ".promoting-x"
    data = {
        "targets": list(targets), "present": list(present),
        "stamps": [
            {
                "path": path,
                "before": base64.b64encode(before).decode(),
                "after": base64.b64encode(after).decode(),
            }
            for path, before, after in stamps
        ],
        "commit_paths": list(commit_paths),
    }  # fmt: skip
    (staging / "old").mkdir(parents=True)
    (staging / "new").mkdir()
    (staging / "new/release.json").write_text("{}")
    (staging / "intention.json").write_text(json.dumps(data))
    return staging


def everything(root):
    return {
        path: path.readlink() if path.is_symlink() else path.read_bytes()
        for path in root.rglob("*")
        if not path.is_dir() and ".git/" not in str(path)
    }


@pytest.mark.parametrize("name", ["victim", "../../victim", "link/victim", "src/../../../victim"])
def test_a_target_outside_of_the_tree(promoted, name):
    root = promoted.root.parent
    write(root, {"victim": "precious", "far/victim": "precious"})
    (promoted.deploy_tree / "link").symlink_to(root / "far")
    target = str(root / name) if name == "victim" else name
    plant(promoted, targets=(target,))
    before = everything(root)
    with pytest.raises(UsageError, match=r"outside deploy/; nothing was changed"):
        recover(promoted)
    assert everything(root) == before


@pytest.mark.parametrize("path", ["../../victim", "../.git/config"])
def test_a_stamp_of_what_is_no_version_file(promoted, path):
    root = promoted.root.parent
    write(root, {"victim": "precious"})
    victim = (promoted.deploy_tree / path).resolve()
    plant(promoted, stamps=[(path, b"taken", victim.read_bytes())])
    was = victim.read_bytes()
    with pytest.raises(UsageError, match="no version file of this project"):
        recover(promoted)
    assert victim.read_bytes() == was


def test_a_folder_that_is_committed(promoted):
    staging = plant(promoted)
    git(promoted.root, "add", "-f", "-A")
    git(promoted.root, "commit", "-q", "-m", "fix: harmless")
    before = everything(promoted.root)
    with pytest.raises(UsageError, match="is in Git; nothing was changed") as caught:
        recover(load(promoted.root))
    assert f"git rm -r {staging}" in caught.value.remedy
    assert everything(promoted.root) == before


def test_folders_that_lead_elsewhere(promoted):
    elsewhere = promoted.root.parent / "elsewhere"
    elsewhere.mkdir()
    staging = plant(promoted)
    (staging / "new/release.json").unlink()
    (staging / "new").rmdir()
    (staging / "new").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="new is a symbolic link"):
        recover(promoted)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("text", ["", "null", "[]", '{"targets": 1}', '{"targets": []}'])
def test_an_intention_that_is_none(promoted, text):
    staging = plant(promoted)
    (staging / "intention.json").write_text(text)
    with pytest.raises(UsageError, match=r"intention\.json is damaged"):
        recover(promoted)


@pytest.mark.parametrize("commit", ["--output=taken", "HEAD", "abc", "g" * 40, "ab" * 20 + "\n"])
def test_a_commit_of_a_manifest_that_is_an_option(promoted, commit):
    path = promoted.deploy_tree / "release.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "commit": commit}))
    git(promoted.root, "commit", "-q", "-a", "-m", "fix: more")
    with pytest.raises(UsageError, match="it is no hash of a Git commit") as caught:
        plan_promotion(load(promoted.root))
    assert "git checkout" in caught.value.remedy
    assert not list(promoted.root.rglob("taken*"))


def test_what_git_is_asked_about_a_commit_is_never_an_option(promoted):
    from towline.git import log
    from towline.git.repository import Repository
    from towline.promotion.backport import backported_marks

    repository = Repository(promoted.root)
    option = f"--output={promoted.root}/taken"
    for ask in (
        lambda: backported_marks(repository, option),
        lambda: log.touching(repository, option, [promoted.root]),
        lambda: repository.is_ancestor(option, "HEAD"),
    ):
        with suppress(TowlineError):
            ask()
    assert not (promoted.root / "taken..HEAD").exists()
    assert not (promoted.root / "taken").exists()
    assert manifests.read(promoted.deploy_tree).commit
