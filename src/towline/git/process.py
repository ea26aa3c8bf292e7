"""Git as a process: the one place that starts it.

Not through GitPython. All that is asked of Git here are its own commands, and for those GitPython
is a wrapper of `subprocess` whose import takes as long as reading a history of 27,000 commits. Its
objects would read that history commit by commit, many times slower than one `git log -z`, and it
can neither make a commit from an index of ours nor let the child inherit a lock.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from towline.errors import TowlineError

# Messages are read by `repository` and shown to people: in one language, whatever theirs is.
_ENGLISH = {"LC_ALL": "C", "LANGUAGE": "C"}


class GitTimedOut(TowlineError):
    """Git did not end in time; it was ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Git answered.

    Attributes:
        code: Its exit code.
        data: What it printed.
        errors: What it printed on standard error.
    """

    code: int
    data: bytes
    errors: bytes

    @property
    def text(self) -> str:
        """What it printed, as text; names that are not UTF-8 survive the way back to the disk."""
        return self.data.decode("utf-8", "surrogateescape")

    @property
    def reasons(self) -> list[str]:
        """Why it failed, in its own words: a line each, at least one."""
        said = (self.errors + b"\n" + self.data).decode("utf-8", "replace")
        lines = [line.strip() for line in said.splitlines()]
        return [line for line in lines if line] or [f"it ended with {self.code}"]


def run_git(
    folder: Path,
    *words: str,
    env: Mapping[str, str] | None = None,
    stdin: BinaryIO | None = None,
    inherits: Sequence[int] = (),
    timeout: float | None = None,
) -> Answer:
    """Run Git and wait for its end.

    Args:
        folder: Where to run it.
        words: Options, subcommand and operands.
        env: Variables on top of the environment.
        stdin: What it reads; nothing by default.
        inherits: Open files that it keeps, also when this process is killed.
        timeout: Seconds after which it is ended; None to wait for as long as it takes.

    Raises:
        GitTimedOut: When it does not end in time.
        FileNotFoundError: When Git is not installed.
    """
    variables = {**os.environ, **_ENGLISH, **(env or {})}
    with subprocess.Popen(
        ["git", *words],
        cwd=folder,
        env=variables,
        stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=inherits,
        # What it starts, such as ssh, is ended with it.
        start_new_session=timeout is not None,
    ) as process:
        try:
            out, errors = process.communicate(timeout=timeout)
        except BaseException as error:
            _kill(process, group=timeout is not None)
            if isinstance(error, subprocess.TimeoutExpired):
                raise GitTimedOut(
                    f"git {_verb(words)} did not end within {timeout:.0f} s"
                ) from None
            raise
    return Answer(process.returncode, out, errors)


def _kill(process: subprocess.Popen[bytes], *, group: bool) -> None:
    with suppress(ProcessLookupError):
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def failed(words: Sequence[str], answer: Answer) -> TowlineError:
    """The error for a command that failed, with what Git says."""
    reasons = answer.reasons
    return TowlineError(
        f"git {_verb(words)} failed: {reasons[0]}",
        remedy="fix what Git says, and run this again",
        details=reasons[1:],
    )


def _verb(words: Sequence[str]) -> str:
    """The subcommand, past options such as `-c name=value`."""
    rest = list(words)
    while rest and rest[0] == "-c":
        rest = rest[2:]
    return rest[0] if rest else ""
