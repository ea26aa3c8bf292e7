"""A promotion on a branch of its own, and pushed, for others to review."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from towline.errors import TowlineError, UsageError
from towline.git.remote import redacted
from towline.git.repository import Repository

# Nobody is there to type a password; a program that people named in GIT_ASKPASS may know it.
_QUIET = {"GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS": ""}
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
    ("could not read Password", "{remote} asks for credentials",
     "log in: gh auth setup-git, or a token in the credential helper"),
    ("error: 403", "{remote} forbids us to push", "ask for the right to write"),
    ("not found", "{remote} is not found, or not shown to us",
     "see git remote -v, and whether the credentials may read it"),
    ("Host key verification failed", "we do not know the host key of {remote}",
     "connect once with ssh, and compare the fingerprint"),
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
    other one is as it was, or gone when it was made for this. Uncommitted changes stay as they
    are. A branch without commits of its own, which a killed run may have left, is brought to where
    we are and used.

    Args:
        repository: The repository.
        name: Name of the branch.

    Raises:
        UsageError: When it is no name for a branch, or one with commits of its own.
    """
    start = repository.head()
    before = repository.branch() or start
    if not start:
        raise UsageError(
            f"{repository.root}: there is no commit yet", remedy="make the first: git commit"
        )
    _refuse(repository, name, start)
    was = repository.tip(name)
    if before != name:
        # Brought here before it is switched to, so that no file moves.
        repository.ask("branch", "--quiet", "--force", name, start)
        repository.ask("switch", "--quiet", name)
    try:
        yield
    finally:
        if repository.head() == start and before != name:
            with suppress(TowlineError):
                detach = [] if repository.has_branch(before) else ["--detach"]
                repository.ask("switch", "--quiet", *detach, before)
                put_back = ["--force", name, was] if was else ["-D", name]
                repository.ask("branch", "--quiet", *put_back)


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
    env = quiet_environment(repository)
    words = ("push", "--porcelain", "--set-upstream", remote, f"refs/heads/{branch}")
    try:
        repository.ask(*words, env=env)
    except TowlineError as error:
        raise _explained(error, remote, branch) from None


def quiet_environment(repository: Repository) -> dict[str, str]:
    """The environment of a Git that talks to a remote without asking anybody."""
    env = {**os.environ, **_QUIET}
    if not _chosen_ssh(repository):
        env["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"
    return env


def _chosen_ssh(repository: Repository) -> bool:
    if any(os.environ.get(name) for name in ("GIT_SSH_COMMAND", "GIT_SSH")):
        return True
    return bool(repository.setting("core.sshCommand"))


def _refuse(repository: Repository, name: str, start: str) -> None:
    another = f"name another with --branch, or remove it: git branch -D {name}"
    try:
        # Git reads @{-1} as the branch before: it says which.
        is_name = repository.ask("check-ref-format", "--branch", name).strip() == name
    except TowlineError:
        is_name = False
    if not is_name:
        raise UsageError(
            f"{name!r} is no name for a branch", remedy="for example deploy/promote-1.5.0"
        )
    if name == repository.branch():
        return
    if not repository.has_branch(name):
        beside = _in_the_way(repository, name)
        if beside:
            raise UsageError(
                f"Git cannot keep a branch {name} beside {beside}",
                remedy="name another with --branch",
            )
        return
    there = repository.tip(name)
    if there == start:
        return
    if not repository.is_ancestor(there, start):
        raise UsageError(f"the branch {name} exists already, with other commits", remedy=another)
    if repository.setting(f"branch.{name}.merge"):
        raise UsageError(f"the branch {name} exists already, and follows another", remedy=another)


def _in_the_way(repository: Repository, name: str) -> str:
    """The branch that is a folder of this one's name, or the other way round; else empty."""
    names = repository.ask("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").split()
    for other in names:
        if name.startswith(f"{other}/") or other.startswith(f"{name}/"):
            return other
    return ""


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
    return TowlineError(f"{said[0]}{kept}", details=said[1:], remedy=f"fix what Git says, {again}")
