"""A promotion on a branch of its own, and pushed, for others to review."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from towline.errors import TowlineError, UsageError
from towline.release.remote import redacted
from towline.release.repository import Repository

# Nobody is there to type a password or to trust a host key.
_QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": ""}
_REASONS = (
    ("stale info", "somebody pushed to {branch} meanwhile", "git fetch {remote}, and look at it"),
    ("non-fast-forward", "{remote} has other commits on {branch}",
     "name another branch with --branch, or git fetch {remote} and look at them"),
    ("fetch first", "{remote} has other commits on {branch}",
     "name another branch with --branch, or git fetch {remote} and look at them"),
    ("hook declined", "{remote} refuses {branch}: a hook declined", "see what the hook says"),
    ("Authentication failed", "{remote} does not accept our credentials",
     "log in: gh auth setup-git, or a token in the credential helper"),
    ("could not read Username", "{remote} asks for credentials",
     "log in: gh auth setup-git, or a token in the credential helper"),
    ("Permission denied", "{remote} does not accept our key", "try ssh to it; see ssh-add -l"),
    ("does not appear to be a git repository", "{remote} is no repository that Git can reach",
     "see git remote -v, and promote.remote in towline.yaml"),
    ("Could not resolve host", "the host of {remote} is not found", "see git remote -v"),
    ("Could not read from remote", "{remote} cannot be reached", "see git remote -v"),
    ("unable to access", "{remote} cannot be reached", "see git remote -v"),
)  # fmt: skip


@contextmanager
def on_branch(repository: Repository, name: str) -> Iterator[None]:
    """Do something on a new branch, which stays checked out when it succeeds.

    When it fails, or made no commit, the branch that was checked out before is again, and the
    new one is gone. Uncommitted changes stay as they are. A branch that a killed run left behind
    without commits of its own is used again.

    Args:
        repository: The repository.
        name: Name of the branch.

    Raises:
        UsageError: When it is no name for a branch, or exists with other commits.
    """
    start = repository.head()
    before = repository.branch() or start
    if not start:
        raise UsageError(
            f"{repository.root}: there is no commit yet", remedy="make the first: git commit"
        )
    _refuse(repository, name, start)
    if before != name:
        flags = ["--create"] if not repository.has_branch(name) else []
        repository.ask("switch", "--quiet", *flags, name)
    try:
        yield
    finally:
        if repository.head() == start and before != name:
            with suppress(TowlineError):
                detach = [] if repository.has_branch(before) else ["--detach"]
                repository.ask("switch", "--quiet", *detach, before)
                repository.ask("branch", "--quiet", "-D", name)


def push(repository: Repository, remote: str, branch: str) -> None:
    """Push a branch, and let it follow the pushed one. Doing so twice is harmless.

    Raises:
        UsageError: When there is no such remote.
        TowlineError: When it is refused or cannot be reached; the commit stays as it is.
    """
    if not repository.remote(remote):
        raise UsageError(
            f"there is no Git remote {remote!r}; the promotion is committed on {branch}",
            remedy=f"git remote add {remote} ADDRESS, or set promote.remote in towline.yaml",
        )
    env = dict(_QUIET)
    if "GIT_SSH_COMMAND" not in os.environ:
        env["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"
    words = ("push", "--porcelain", "--set-upstream", remote, f"refs/heads/{branch}")
    try:
        repository.ask(*words, env=env)
    except TowlineError as error:
        raise _explained(error, remote, branch) from None


def _refuse(repository: Repository, name: str, start: str) -> None:
    try:
        repository.ask("check-ref-format", "--branch", name)
    except TowlineError:
        raise UsageError(
            f"{name!r} is no name for a branch", remedy="for example deploy/promote-1.5.0"
        ) from None
    if name != repository.branch() and repository.has_branch(name):
        there = repository.ask("rev-parse", f"refs/heads/{name}").strip()
        if there != start:
            raise UsageError(
                f"the branch {name} exists already, with other commits",
                remedy=f"name another with --branch, or remove it: git branch -D {name}",
            )


def _explained(error: TowlineError, remote: str, branch: str) -> TowlineError:
    said = [redacted(line) for line in (error.message, *error.details)]
    text = "\n".join(said)
    kept = f"; the promotion is committed on {branch}"
    again = f"then `git push -u {remote} {branch}`"
    for mark, what, remedy in _REASONS:
        if mark in text:
            message = what.format(remote=remote, branch=branch) + kept
            hint = remedy.format(remote=remote, branch=branch)
            return TowlineError(message, details=said, remedy=f"{hint}; {again}")
    return TowlineError(f"{said[0]}{kept}", details=said[1:], remedy=f"mend what Git says, {again}")
