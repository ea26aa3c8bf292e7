"""A small project in a real Git repository."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from project_files import FILES, git, write

from towline.config.loading import Project, load


@pytest.fixture(scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text("[user]\nname = Ann\nemail = ann@example.org\n")
    return home


@pytest.fixture(autouse=True)
def _own_git_settings(monkeypatch: pytest.MonkeyPatch, _home: Path) -> None:
    set_own(monkeypatch, _home)


def set_own(patch: pytest.MonkeyPatch, home: Path) -> None:
    """No setting of this machine's Git counts, and neither does who runs the tests."""
    patch.setenv("HOME", str(home))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "EMAIL"):
        patch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a project, outside of Git."""
    return make(tmp_path / "shop")


def make(root: Path) -> Path:
    """Write the files of a project."""
    write(root, FILES)
    (root / "app/src/run").write_text("#!/bin/sh\n")
    (root / "app/src/run").chmod(0o755)
    (root / "app/src/link.py").symlink_to("shop/main.py")
    return root


@pytest.fixture(scope="session")
def _committed(_scratch: Path, _home: Path) -> Path:
    """A repository to copy: as quick as one of the commands that make it."""
    root = make(_scratch / "committed")
    with pytest.MonkeyPatch.context() as patch:
        set_own(patch, _home)
        git(root, "init", "-q", "-b", "main", "--template=")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "feat: start")
    return root


@pytest.fixture
def project(tmp_path: Path, _committed: Path) -> Project:
    """A committed project with a deploy tree that was never promoted."""
    root = tmp_path / "shop"
    # Git compares times: a copy without them would have to be looked at again.
    shutil.copytree(_committed, root, symlinks=True)
    return load(root)


@pytest.fixture
def commit(project: Project) -> Callable[..., None]:
    """Write files and commit them."""

    def write_and_commit(**files: str) -> None:
        write(project.root, files)
        git(project.root, "add", "-A")
        git(project.root, "commit", "-q", "-m", "fix: more")

    return write_and_commit
