"""The one commit that a release or a promotion makes, of its own paths and nothing else.

The real index gets them before the branch does: whatever is killed where, it never holds the
reversal of what was committed, which the next ordinary commit would bring.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from towline.errors import TowlineError
from towline.git.private import Private, copy_index, install_index
from towline.git.process import failed, run_git
from towline.git.repository import Repository

# Nothing that outlives the commit may inherit the lock.
_NO_CLEANING = ("-c", "gc.auto=0", "-c", "maintenance.auto=false")
_DIFFERS = "differs"


def commit(repository: Repository, message: str, paths: Sequence[Path], *, private: Private) -> str:
    """Commit these paths and nothing else; what else is staged stays staged.

    It works on an index of its own: `git commit -- PATHS` would do, if it could commit a file
    that became a folder.

    Args:
        repository: The repository.
        message: The commit message.
        paths: Files and folders; what vanished below a folder is committed as removed.
        private: The repository, held.

    Returns:
        The new commit.

    Raises:
        UsageError: When another Git process holds the index; nothing is staged then.
        TowlineError: When Git refuses, for instance because a hook does; the paths stay staged.
    """
    _refuse_operation(repository)
    others = not repository.head() or _is_staged(repository, ())
    before = copy_index(repository, private)
    _add(repository, paths, private.index, private)
    own = private.folder / "commit-index"
    own.unlink(missing_ok=True)
    # With its knowledge of unchanged files, which saves Git from reading them all again.
    shutil.copy2(private.index, own)
    if others:
        start = ["--reset", "HEAD"] if repository.head() else ["--empty"]
        _git(repository, ("read-tree", *start), own, private)
        _add(repository, paths, own, private)
    install_index(repository, private, before)
    words = (*repository.identity(), *_NO_CLEANING, "commit", "--quiet", "-m", message)
    _git(repository, words, own, private)
    own.unlink(missing_ok=True)
    # A hook may have changed what was committed.
    unstage(repository, paths, private=private)
    return repository.head()


def unstage(repository: Repository, paths: Iterable[Path], *, private: Private) -> None:
    """Let the index hold what the commit holds of these paths; their content stays.

    Raises:
        UsageError: When another Git process holds the index.
    """
    paths = tuple(paths)
    names = [str(path) for path in paths]
    if repository.head():
        if not _is_staged(repository, paths):
            return
        words = ["reset", "--quiet", "--", *names]
    else:
        words = ["rm", "--cached", "--quiet", "-r", "--ignore-unmatch", "--", *names]
    before = copy_index(repository, private)
    if before is not None:
        _git(repository, words, private.index, private)
        install_index(repository, private, before)


def _is_staged(repository: Repository, paths: Iterable[Path]) -> bool:
    """Whether the index differs from the commit in these paths; in any, without paths."""
    names = [str(path) for path in paths]
    words = ("diff-index", "--cached", "--quiet", "HEAD", "--", *names)
    return repository.ask(*words, no=_DIFFERS) == _DIFFERS


def _add(repository: Repository, paths: Sequence[Path], index: Path, private: Private) -> None:
    words = ("add", "--all", "--", *(str(path) for path in paths))
    _git(repository, words, index, private)


def _git(repository: Repository, words: Sequence[str], index: Path, private: Private) -> None:
    """Run a Git that writes an index of ours.

    It inherits the lock, so that nobody begins anew while it goes on after we were killed, such as
    with a hook.

    Raises:
        TowlineError: When it fails, with its own words.
    """
    answer = run_git(
        repository.root,
        *("--literal-pathspecs", *words),
        env={"GIT_INDEX_FILE": str(index)},
        inherits=(private.handle,),
    )
    if answer.code:
        raise failed(words, answer)


def _refuse_operation(repository: Repository) -> None:
    for state in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"):
        if repository.ask("rev-parse", "--verify", "--quiet", state, no=""):
            raise TowlineError(
                f"{repository.root}: Git is in the middle of another operation ({state})",
                remedy="end it with git commit, or give it up with --abort; see git status",
            )
