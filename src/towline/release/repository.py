"""What promotion asks of Git, and the one commit that it makes."""

from __future__ import annotations

import getpass
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from towline.errors import TowlineError, UsageError

if TYPE_CHECKING:
    from git import Git

_NAME = "Towline"
_EMAIL = "towline@localhost"


@dataclass(frozen=True)
class Change:
    """An uncommitted change: Git's two-letter state (`??` is untracked) and the path."""

    state: str
    path: Path

    @property
    def tracked(self) -> bool:
        """Whether Git knows the file."""
        return self.state != "??"


@dataclass(frozen=True)
class Repository:
    """A Git repository with its working tree.

    Attributes:
        root: Its top folder.
    """

    root: Path

    def head(self) -> str:
        """The commit that is checked out; empty before the first one."""
        return self._ask("rev-parse", "--verify", "--quiet", "HEAD", or_else="").strip()

    def files(self, folder: Path) -> list[str]:
        """Files below a folder that Git tracks or would track, relative to it, with `/`."""
        names = self._ask(
            "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=folder
        )
        return sorted(set(names.split("\0")) - {""})

    def changes(self, folder: Path) -> list[Change]:
        """What differs from the commit that is checked out, below a folder."""
        text = self._ask(
            *("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"),
            *("--", "."),
            folder=folder,
        )
        return [Change(item[:2], self.root / item[3:]) for item in text.split("\0") if item]

    def ignores(self, path: Path) -> bool:
        """Whether Git leaves a path alone."""
        return bool(self._ask("check-ignore", "--", str(path), or_else="").strip())

    def commit(self, message: str, paths: Sequence[Path]) -> str:
        """Commit these paths and nothing else; what else is staged stays staged.

        Args:
            message: The commit message.
            paths: Files and folders; what vanished below a folder is committed as removed.

        Returns:
            The new commit.

        Raises:
            TowlineError: When Git refuses, for instance because a hook does; the paths are
                unstaged again.
        """
        names = [str(path) for path in paths]
        try:
            self._ask("add", "--all", "--", *names)
            self._ask(*self._identity(), "commit", "--quiet", "-m", message, "--", *names)
        except TowlineError:
            self.unstage(paths)
            raise
        return self.head()

    def unstage(self, paths: Iterable[Path]) -> None:
        """Forget what is staged of these paths; their content stays."""
        names = [str(path) for path in paths]
        if self.head():
            self._ask("reset", "--quiet", "--", *names, or_else="")
        else:
            self._ask(
                "rm", "-r", "--cached", "--quiet", "--ignore-unmatch", "--", *names, or_else=""
            )

    def author(self) -> str:
        """Name of whoever works here; without one in Git, the system's user name."""
        name = os.environ.get("GIT_AUTHOR_NAME") or self._setting("user.name")
        return name or user_name()

    def _identity(self) -> list[str]:
        """Options that give Git a name and an address where it has none."""
        environ = os.environ
        options: list[str] = []
        if not (environ.get("GIT_COMMITTER_NAME") or self._setting("user.name")):
            options += ["-c", f"user.name={_NAME}"]
        if not (
            environ.get("GIT_COMMITTER_EMAIL")
            or environ.get("EMAIL")
            or self._setting("user.email")
        ):
            options += ["-c", f"user.email={_EMAIL}"]
        return options

    def _setting(self, name: str) -> str:
        return self._ask("config", "--get", name, or_else="").strip()

    def _ask(self, *words: str, folder: Path | None = None, or_else: str | None = None) -> str:
        """Run Git; with `or_else` that is the answer when Git says no."""
        from git import GitCommandError

        try:
            answer = self._git(folder or self.root).execute(
                # Names are names: brackets and stars in them are no patterns.
                ["git", "--literal-pathspecs", *words],
                strip_newline_in_stdout=False,
            )
        except GitCommandError as error:
            if or_else is not None:
                return or_else
            lines = _lines(error)
            raise TowlineError(
                f"git {_verb(words)} failed: {lines[0]}",
                remedy="mend what Git says, and run this again",
                details=lines[1:],
            ) from None
        return str(answer)

    @staticmethod
    def _git(folder: Path) -> Git:
        from git import Git

        return Git(str(folder))


def open_repository(folder: Path) -> Repository | None:
    """The Git repository that a folder lies in; None when it lies in none.

    Raises:
        UsageError: When there is a repository, but Git is not installed or refuses it.
    """
    if shutil.which("git") is None:
        if any((place / ".git").exists() for place in (folder, *folder.parents)):
            raise UsageError(f"{folder} is in a Git repository, but git is not installed")
        return None
    from git import Git, GitCommandError

    try:
        root = str(Git(str(folder)).rev_parse("--show-toplevel"))
    except GitCommandError as error:
        lines = _lines(error)
        if any("not a git repository" in line for line in lines):
            return None
        raise UsageError(f"Git refuses {folder}: {lines[0]}", details=lines[1:]) from None
    return Repository(Path(root))


def user_name() -> str:
    """The system's name for whoever runs this; empty when it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _lines(error: Exception) -> list[str]:
    """What Git said, without the wrapping of the library."""
    said = f"{getattr(error, 'stderr', '')}\n{getattr(error, 'stdout', '')}"
    lines = [line.strip() for line in said.splitlines()]
    lines = [line.removeprefix("stderr:").removeprefix("stdout:").strip(" '") for line in lines]
    return [line for line in lines if line] or ["it gave no reason"]


def _verb(words: Sequence[str]) -> str:
    """The subcommand, past options such as `-c name=value`."""
    rest = list(words)
    while rest and rest[0] == "-c":
        rest = rest[2:]
    return rest[0] if rest else ""
