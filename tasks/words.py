"""What people type, looked at before Invoke parses it.

Invoke's own answer to a word that it does not know is "No idea what 'exec' is!", with exit code 1.
Here the answer names the nearest task or option, and a few words that other tools taught people
are understood: `inv version.bump minor`, `inv rollback emergency`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invoke import Argument, Collection

# (task, word) -> what it stands for.
_PARTS = ("major", "minor", "patch", "prerelease", "auto")
_MEANT: Mapping[tuple[str, str], tuple[str, ...]] = {
    **{("version.bump", word): ("--type", word) for word in _PARTS},
    **{("version.prepare-release", word): ("--type", word) for word in _PARTS},
    ("rollback", "emergency"): ("--force",),
}
# What is not there under any near name -> what is.
_INSTEAD = {
    "exec": "logs",
    "ps": "status",
    "restart": "deploy",
    "stop": "down",
    "undo": "rollback",
    "release": "version.prepare-release",
    "publish": "promote",
}


class NotUnderstoodError(Exception):
    """A word of the command line that nothing knows; `remedy` says what to type."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def understand(
    tokens: Sequence[str], collection: Collection, core: Mapping[str, Argument], name: str = "inv"
) -> list[str]:
    """The words of a command line as Invoke's parser takes them.

    Args:
        tokens: What follows the program and its own options.
        collection: The tasks.
        core: The program's own flags.
        name: The program, as people type it.

    Raises:
        NotUnderstoodError: A word is neither a task nor an option nor a value of one.
    """
    tasks = {
        each: primary
        for primary, aliases in collection.task_names.items()
        for each in (primary, *aliases)
    }
    line = _Line(collection, tasks, core, name)
    return list(line.read(tokens))


def nearest(word: str, known: Sequence[str], cutoff: float = 0.6) -> str:
    """The known word that is meant most likely; empty when none is near."""
    starting = [each for each in known if len(word) > 2 and each.startswith(word)]
    close = difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return next(iter([*close, *sorted(starting)]), "")


class _Line:
    """Reads one command line, task by task."""

    def __init__(
        self,
        collection: Collection,
        tasks: Mapping[str, str],
        core: Mapping[str, Argument],
        name: str,
    ) -> None:
        self._collection = collection
        self._tasks = tasks
        self._core = core
        self._name = name
        self._task = ""
        self._flags: dict[str, Argument] = {}
        self._missing: list[Argument] = []

    def read(self, tokens: Sequence[str]) -> Iterator[str]:
        """Yield each word, or what it stands for."""
        awaiting = ""
        # Invoke gives a task's first word to it, even if that is `--help`.
        asks_help = bool({"--help", "-h"} & set(tokens))
        for token in tokens:
            if awaiting:
                self._require_value(awaiting, token in self._flags)
                awaiting = ""
                yield token
            elif token.startswith("-") and len(token) > 1:
                awaiting = token if self._option(token) else ""
                yield token
            else:
                yield from self._word(token)
        self._require_value(awaiting, bool(awaiting))
        if not asks_help:
            self._require_words()

    def _option(self, token: str) -> bool:
        """Whether an option takes the next word as its value."""
        flag, is_given, _ = token.partition("=")
        found = self._flags.get(flag) or self._core.get(flag)
        if found is None:
            self._require_known(flag)
            return False
        self._missing = [item for item in self._missing if item is not found]
        return bool(found.takes_value and not is_given and not found.optional)

    def _require_known(self, flag: str) -> None:
        """Raise for an option that nothing knows; `-qv` is two short ones."""
        # `-version 1.2.3` is what other tools' users type; to Invoke it would be seven options.
        is_word = f"-{flag}" in self._flags
        is_short = flag[:2] in self._flags or flag[:2] in self._core
        if not flag.startswith("--") and is_short and not is_word:
            return
        known = [*self._flags, *(each for each in self._core if each.startswith("--"))]
        close = f"-{flag}" if is_word else nearest(flag, known)
        where = f"`{self._name} {self._task}`" if self._task else self._name
        asked = f"{self._name} --help {self._task}".rstrip()
        raise NotUnderstoodError(
            f"{where} has no option {flag}" + (f"; did you mean `{close}`?" if close else ""),
            f"`{asked}` lists its options",
        )

    def _require_value(self, flag: str, is_missing: bool) -> None:
        if is_missing:
            raise NotUnderstoodError(
                f"`{self._name} {self._task}`: {flag} needs a value",
                f"`{self._name} --help {self._task}` says which",
            )

    def _require_words(self) -> None:
        for item in self._missing:
            name = item.names[0]
            raise NotUnderstoodError(
                f"`{self._name} {self._task}` needs a {name}",
                f"{self._name} {self._task} {name.upper()}",
            )

    def _word(self, token: str) -> Iterator[str]:
        if self._missing:
            self._missing = self._missing[1:]
            yield token
        elif token in self._tasks:
            self._begin(token)
            yield token
        elif (self._tasks.get(self._task, ""), token) in _MEANT:
            yield from _MEANT[self._tasks[self._task], token]
        elif self._task:
            raise self._stray(token)
        else:
            close = nearest(token, list(self._tasks)) or _INSTEAD.get(token, "")
            raise NotUnderstoodError(
                f"there is no task {token!r}"
                + (f"; did you mean `{self._name} {close}`?" if close else ""),
                f"`{self._name} --list` lists all tasks",
            )

    def _begin(self, name: str) -> None:
        # A copy: Invoke takes the help out of a task when its arguments are asked for.
        task: Any = copy(self._collection[name])
        task.help = dict(task.help or {})
        arguments = task.get_arguments(ignore_unknown_help=True)
        self._task = name
        self._flags = {_flag(each): item for item in arguments for each in item.names}
        for item in arguments:
            if item.kind is bool and item.default is True:
                self._flags[_flag(f"no-{item.names[0]}")] = item
        self._missing = [item for item in arguments if item.positional and item.value is None]

    def _stray(self, token: str) -> NotUnderstoodError:
        close = nearest(token, list(self._tasks), cutoff=0.75)
        if close:
            remedy = f"did you mean `{self._name} {close}`?"
        elif "--env" in self._flags:
            remedy = f"for an environment write `--env {token}`"
        else:
            remedy = f"`{self._name} --help {self._task}` lists its options"
        message = f"`{self._name} {self._task}` does not take the word {token!r}"
        return NotUnderstoodError(message, remedy)


def _flag(name: str) -> str:
    dashed = name.replace("_", "-")
    return f"-{dashed}" if len(dashed) == 1 else f"--{dashed}"
