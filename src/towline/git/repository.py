"""What promotion asks of Git, and the one commit that it makes."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from towline.errors import UsageError
from towline.git.process import failed, run_git

_NAME = "Towline"
_EMAIL = "towline@localhost"
# Who only asks must not leave a lock on the index when it is killed.
_NO_LOCKS = {"GIT_OPTIONAL_LOCKS": "0"}


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

    def git_path(self, name: str) -> Path:
        """Where Git keeps something of this working tree, such as `index`."""
        return _git_path(self, name)

    def head(self) -> str:
        """The commit that is checked out; empty before the first one."""
        return self.ask("rev-parse", "--verify", "--quiet", "HEAD", no="").strip()

    def subject(self) -> str:
        """The first line of the message of the commit that is checked out."""
        return self.ask("log", "-1", "--format=%s", "HEAD").strip()

    def branch(self) -> str:
        """The branch that is checked out; empty when HEAD is detached."""
        return self.ask("symbolic-ref", "--quiet", "--short", "HEAD", no="").strip()

    def is_shallow(self) -> bool:
        """Whether the history is cut off, as `git clone --depth` does."""
        return self.ask("rev-parse", "--is-shallow-repository").strip() == "true"

    def has_tag(self, name: str) -> bool:
        """Whether there is such a tag, wherever it points."""
        return bool(self.ask("rev-parse", "--verify", "--quiet", f"refs/tags/{name}", no=""))

    def tags(self) -> list[str]:
        """The names of all tags, wherever they point."""
        return self.ask("for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags").split()

    def tag(self, name: str, message: str, commit: str = "HEAD") -> None:
        """Put an annotated tag on a commit.

        Raises:
            TowlineError: When Git refuses, for instance because there is such a tag.
        """
        # Headings of a changelog are no comments.
        words = ("tag", "--annotate", "--cleanup=whitespace", "-m", message, "--", name, commit)
        self.ask(*self.identity(), *words)

    def remote(self, name: str) -> str:
        """The address of a remote; empty when there is none of this name."""
        return self.setting(f"remote.{name}.url")

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether a commit holds another one in its history."""
        return self.ask("merge-base", "--end-of-options", old, new, no="").strip() == old

    def has_branch(self, name: str) -> bool:
        """Whether there is such a local branch."""
        return bool(self.tip(name))

    def tip(self, name: str) -> str:
        """The commit that a local branch ends with; empty when there is no such branch."""
        return self.ask("rev-parse", "--verify", "--quiet", f"refs/heads/{name}", no="").strip()

    def blob(self, name: str) -> bytes:
        """The content of a file in a commit, such as `HEAD:README.md`.

        Raises:
            TowlineError: When there is none.
        """
        return self.read("cat-file", "blob", name)

    def write_blob(self, data: bytes) -> str:
        """Keep a content among Git's objects; returns its hash."""
        # A file without a name: a kill leaves none behind.
        with tempfile.TemporaryFile() as spool:
            spool.write(data)
            spool.seek(0)
            words = ("hash-object", "-w", "--no-filters", "--stdin")
            return self.read(*words, stdin=spool).decode().strip()

    def commit_tree(self, message: str, parent: str, *, env: Mapping[str, str]) -> str:
        """Make a commit of an index that is on no branch; returns its hash.

        Args:
            message: The commit message.
            parent: The commit before.
            env: Names the index.
        """
        tree = self.ask("write-tree", env=env).strip()
        words = ("commit-tree", tree, "-p", parent, "-m", message)
        return self.ask(*self.identity(), *words, env=env).strip()

    def files(self, folder: Path) -> list[str]:
        """Files below a folder that Git tracks or would track, relative to it, with `/`."""
        place, name = _nearest(folder)
        words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", name)
        found = set(self.ask(*words, folder=place).split("\0")) - {""}
        return sorted(item.removeprefix(f"{name}/") for item in found)

    def changes(self, folder: Path, *, outside: Path | None = None) -> list[Change]:
        """What differs from the commit that is checked out, below a folder.

        Args:
            folder: The folder.
            outside: A folder in it to leave out.
        """
        place, name = _nearest(folder)
        text = self.ask(
            *("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"),
            *("--", name),
            folder=place,
        )
        # Compared as text: a deploy tree that is not committed has ten thousand changes.
        beyond = f"{os.path.relpath(outside, self.root)}/" if outside else "\0"
        items = (item for item in text.split("\0") if item and not item.startswith(beyond, 3))
        return [Change(item[:2], self.root / item[3:]) for item in items]

    def ignores(self, path: Path) -> bool:
        """Whether Git leaves a path alone."""
        return bool(self.ask("check-ignore", "--", str(path), no="").strip())

    def holds(self, path: Path) -> bool:
        """Whether the commit that is checked out has a file just as it lies on disk."""
        name = path.relative_to(self.root).as_posix()
        kept = self.ask("rev-parse", "--verify", "--quiet", f"HEAD:{name}", no="")
        return bool(kept) and kept == self.ask("hash-object", "--", str(path))

    def author(self) -> str:
        """Name of whoever works here; without one in Git, the system's user name."""
        name = os.environ.get("GIT_AUTHOR_NAME") or self.setting("user.name")
        return name or user_name()

    def identity(self) -> list[str]:
        """Options that give Git a name and an address where it has none."""
        environ = os.environ
        options: list[str] = []
        if not (environ.get("GIT_COMMITTER_NAME") or self.setting("user.name")):
            options += ["-c", f"user.name={_NAME}"]
        if not (
            environ.get("GIT_COMMITTER_EMAIL") or environ.get("EMAIL") or self.setting("user.email")
        ):
            options += ["-c", f"user.email={_EMAIL}"]
        return options

    def setting(self, name: str) -> str:
        """A value of Git's configuration; empty when there is none."""
        return self.ask("config", "--get", name, no="").strip()

    def ask(
        self,
        *words: str,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        no: str | None = None,
    ) -> str:
        """Run Git and return what it prints.

        Args:
            words: Subcommand, options and operands.
            folder: Where to run it; the repository's root by default.
            env: Variables on top of the environment.
            no: The answer when Git ends with 1, by which it answers some questions.

        Raises:
            TowlineError: When Git fails, with its own words.
        """
        # Names are names: brackets and stars in them are no patterns.
        plain = () if words[0] == "check-ignore" else ("--literal-pathspecs",)
        environment = {**_NO_LOCKS, **(env or {})}
        answer = run_git(folder or self.root, *plain, *words, env=environment)
        if answer.code == 0:
            return answer.text
        if no is not None and answer.code == 1:
            return no
        raise failed(words, answer)

    def read(self, *words: str, stdin: BinaryIO | None = None) -> bytes:
        """Run Git and return the bytes that it prints, however many they are.

        Args:
            words: Subcommand, options and operands.
            stdin: What it reads; nothing by default.

        Raises:
            TowlineError: When Git fails.
        """
        answer = run_git(self.root, *words, stdin=stdin)
        if answer.code:
            raise failed(words, answer)
        return answer.data


# Asked for a dozen times in a release, and always with the same answer.
@lru_cache(maxsize=64)
def _git_path(repository: Repository, name: str) -> Path:
    return repository.root / repository.ask("rev-parse", "--git-path", name).removesuffix("\n")


def open_repository(folder: Path) -> Repository | None:
    """The Git repository that a folder lies in; None when it lies in none.

    Raises:
        UsageError: When there is a repository, but Git is not installed or refuses it.
    """
    if shutil.which("git") is None:
        if any((place / ".git").exists() for place in (folder, *folder.parents)):
            raise UsageError(f"{folder} is in a Git repository, but git is not installed")
        return None
    answer = run_git(folder, "rev-parse", "--show-toplevel")
    if answer.code == 0:
        return Repository(Path(answer.text.removesuffix("\n")))
    reasons = answer.reasons
    if any("not a git repository" in line for line in reasons):
        return None
    raise UsageError(f"Git refuses {folder}: {reasons[0]}", details=reasons[1:])


def _nearest(folder: Path) -> tuple[Path, str]:
    """Where to run Git for a folder, which may be gone, and how the folder is called from there."""
    place = folder
    while not place.is_dir():
        place = place.parent
    return place, os.path.relpath(folder, place)


def user_name() -> str:
    """The system's name for whoever runs this; empty when it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
