import json
import os

import pytest

from towline.errors import UsageError
from towline.findings import Severity
from towline.promotion import manifest as manifests
from towline.promotion.tree import scan


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "deploy"
    for name in ("src/a.py", "src/b.py", "docker/compose.yml", "docker/.env.prod.example"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "src/run").write_text("#!/bin/sh\n")
    (root / "src/run").chmod(0o775)
    (root / "src/link").symlink_to("a.py")
    return root


def build(tree, **more):
    settings = {"project": "shop", "version": "1.0.0", "source_paths": ["src"], **more}
    return manifests.build(tree, **settings)


def test_what_counts(tree):
    for name in (
        *("security/ssl/key.pem", "security/secrets/db", "docker/.env", "docker/.env.prod"),
        *("src/__pycache__/a.pyc", "tests/.pytest_cache/x", ".promoting-x/new/src/a.py"),
        *("release.json", "security/nginx/nginx.conf", "docs/release.json", ".env.example"),
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("{}")
    assert sorted(scan(tree)) == [
        ".env.example",
        "docker/.env.prod.example",
        "docker/compose.yml",
        "docs/release.json",
        "security/nginx/nginx.conf",
        "src/a.py",
        "src/b.py",
        "src/link",
        "src/run",
    ]
    assert scan(tree / "nothing") == {}


def test_it_is_read_as_it_was_written(tree):
    made = build(tree, migrations=["src/*.py"], commit="ab" * 20, dirty=True, promoted_by="Ann")
    manifests.write(tree, made)
    text = (tree / "release.json").read_text()
    assert manifests.read(tree) == made
    assert text == made.text()
    assert text.endswith("}\n")
    data = json.loads(text)
    assert data["schema"] == 2
    assert list(data["files"]) == sorted(data["files"])
    assert data["files"]["src/run"]["mode"] == "0755"
    assert data["files"]["src/link"] == {**data["files"]["src/link"], "target": "a.py"}
    names = ("src/a.py", "src/b.py")
    assert data["migrations"] == {name: data["files"][name]["sha256"] for name in names}
    assert (tree / "release.json").stat().st_mode & 0o777 == 0o644


def test_the_digest_is_that_of_the_content_alone(tree):
    one = build(tree)
    assert build(tree, version="2.0.0", commit="cd" * 20, promoted_by="Bob").content == one.content
    assert build(tree, project="other").content != one.content
    (tree / "src/run").chmod(0o700)
    assert build(tree).content == one.content
    (tree / "src/run").chmod(0o644)
    assert build(tree).content != one.content


def test_an_untouched_tree_has_no_findings(tree):
    assert manifests.verify(tree, build(tree)) == []


@pytest.mark.parametrize(
    ("touch", "message", "remedy"),
    [
        (lambda t: (t / "src/a.py").write_text("x"), "deploy/src/a.py was changed", "source tree"),
        (lambda t: (t / "src/a.py").chmod(0o755), "deploy/src/a.py was changed", "git checkout"),
        (lambda t: (t / "src/a.py").unlink(), "deploy/src/a.py is missing", "git checkout"),
        (lambda t: (t / "src/c.py").write_text(""), "src/c.py is not part", "rm deploy/src/c.py"),
        (lambda t: (t / "docker/compose.yml").write_text("x"), "compose.yml was", "`inv promote`"),
        (lambda t: (t / ".promoting-1").mkdir(), "a promotion was interrupted", "`inv promote`"),
        (
            lambda t: [(t / "src/link").unlink(), (t / "src/link").symlink_to("b.py")],
            "deploy/src/link was changed",
            "git checkout",
        ),
    ],
)
def test_every_change_by_hand_is_found(tree, touch, message, remedy):
    made = build(tree)
    touch(tree)
    (finding,) = manifests.verify(tree, made)
    assert finding.severity is Severity.ERROR
    assert message in finding.message
    assert remedy in finding.remedy


def test_a_link_out_of_the_tree_is_found_whatever_the_manifest_says(tree):
    """S19: also where an older Towline promoted it."""
    (tree / "src/key").symlink_to("/etc/hostname")
    (finding,) = manifests.verify(tree, build(tree))
    assert "points outside the deploy tree, to /etc/hostname" in finding.message
    assert "by the file itself" in finding.remedy


def test_many_findings_are_summed_up(tree):
    made = build(tree)
    for number in range(25):
        (tree / f"src/new{number}.py").write_text("")
    found = manifests.verify(tree, made)
    assert len(found) == 11
    assert found[-1].message.startswith("15 further files")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a manifest"),
        ("[]", "is not a manifest"),
        ("{}", "is not a manifest: `project`"),
        ('{"schema": 3, "tool": "9.0.0"}', r"written by a newer Towline \(9.0.0\)"),
    ],
)
def test_a_broken_manifest_is_named(tree, text, message):
    (tree / "release.json").write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        manifests.read(tree)
    assert "release.json" in caught.value.message
    assert caught.value.remedy


def test_a_tree_that_was_never_promoted(tree):
    with pytest.raises(UsageError, match="was not promoted yet") as caught:
        manifests.read(tree)
    assert caught.value.remedy == "run `inv promote`"
    assert manifests.read_if_any(tree) is None


def test_what_is_no_file_is_refused(tree):
    os.mkfifo(tree / "src/pipe")
    with pytest.raises(UsageError, match="src/pipe is neither a file nor a symbolic link"):
        scan(tree)


def test_a_name_that_is_not_utf8_is_refused(tree):
    (tree / os.fsdecode(b"src/\xff")).touch()
    with pytest.raises(UsageError, match="is not UTF-8"):
        scan(tree)


def test_a_tree_of_ten_thousand_files_is_built_whole(tmp_path):
    for folder in range(100):
        (tmp_path / str(folder)).mkdir()
        for file in range(100):
            (tmp_path / f"{folder}/{file}.py").write_bytes(b"x" * 2000)
    made = build(tmp_path)
    assert len(made.files) == 10_000
    assert len({record.sha256 for record in made.files.values()}) == 1
