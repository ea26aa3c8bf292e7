"""A small project in a real Git repository."""

from collections.abc import Callable
from pathlib import Path

import pytest
from project_files import FILES, git, write

from towline.config.loading import Project, load


@pytest.fixture(autouse=True)
def _own_git_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No setting of this machine's Git counts, and neither does who runs the tests."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text("[user]\nname = Ann\nemail = ann@example.org\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "EMAIL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a project, outside of Git."""
    root = tmp_path / "shop"
    write(root, FILES)
    (root / "app/src/run").write_text("#!/bin/sh\n")
    (root / "app/src/run").chmod(0o755)
    (root / "app/src/link.py").symlink_to("shop/main.py")
    return root


@pytest.fixture
def project(folder: Path) -> Project:
    """A committed project with a deploy tree that was never promoted."""
    git(folder, "init", "-q", "-b", "main", "--template=")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "feat: start")
    return load(folder)


@pytest.fixture
def commit(project: Project) -> Callable[..., None]:
    """Write files and commit them."""

    def write_and_commit(**files: str) -> None:
        write(project.root, files)
        git(project.root, "add", "-A")
        git(project.root, "commit", "-q", "-m", "fix: more")

    return write_and_commit
