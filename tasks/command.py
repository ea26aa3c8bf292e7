"""What every task understands beside its own options, and the check of the line that it is in.

`from towline.tasks import ns` is all that a tasks.py writes, and `inv` then copies the tasks out of
the collection. So what all tasks share hangs on the tasks themselves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from invoke import Argument, Collection, Exit, Program, Task

from towline.collector import rarely

_SYNONYMS = {"env": "environment"}
VERBOSE_HELP = (
    "Tell every command that is run, and tracebacks; LOG_LEVEL=DEBUG does it too. Default: off."
)


# The first is Towline's own collection, and those inside it follow.
_adopted: list[Collection] = []


class Command(Task[Any]):
    """A task with `--environment` for `--env`, and with `--verbose`."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """The options of the task."""
        check_running()
        found: list[Argument] = super().get_arguments(ignore_unknown_help=ignore_unknown_help)
        for item in found:
            if item.name in _SYNONYMS:
                item.names = (*item.names, _SYNONYMS[item.name])
        taken = {name for item in found for name in item.names}
        if "verbose" not in taken:
            found.append(Argument(name="verbose", kind=bool, default=False, help=VERBOSE_HELP))
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body."""
        if kwargs.pop("verbose", False):
            os.environ["LOG_LEVEL"] = "DEBUG"
        if os.environ.get("LOG_LEVEL", "").upper() == "DEBUG":
            from . import terminal

            terminal.log_to_stderr()
        return super().__call__(*args, **kwargs)


def adopt(collection: Collection) -> Collection:
    """Make every task of a collection a `Command`; returns the collection."""
    register(collection)
    for name, task in list(collection.tasks.items()):
        if not isinstance(task, Command):
            made = Command.__new__(Command)
            made.__dict__.update(task.__dict__)
            collection.tasks[name] = made
    for inner in collection.collections.values():
        adopt(inner)
    return collection


def register(collection: Collection) -> None:
    """Remember a collection; the first is what a program without its own has."""
    _adopted.append(collection)


def collection() -> Collection:
    """All tasks of the program that runs, those of the project's own tasks.py too."""
    program = _running()
    return program.collection if program is not None else _adopted[0]


def check_running() -> None:
    """Check the line that `inv` is about to parse; its parser asks each task for its arguments."""
    program = _running()
    core = getattr(program, "core", None)
    if program is not None and core is not None and not any(core is each for each in _CHECKED):
        _CHECKED.append(core)
        rarely()
        check_line(program)
        _leave_out(program)


@contextmanager
def parsing(program: Program) -> Iterator[None]:
    """Check a line, and have only the tasks that it names asked for their arguments."""
    check_line(program)
    left_out = _leave_out(program)
    try:
        yield
    finally:
        # The collection is the package's own, and not a copy that ends with the program.
        for task in left_out:
            task.is_left_out = False


def _leave_out(program: Program) -> list[Any]:
    """Mark the tasks that the line does not name: the options of forty take time to list."""
    if program.args.complete.value:
        return []
    known = program.collection
    named = {*program.core.unparsed, program.args.help.value}
    tasks = {name: (known[name], aliases) for name, aliases in known.task_names.items()}
    asked = [task for name, (task, also) in tasks.items() if named & {name, *also}]
    found = []
    for task, _ in tasks.values():
        # One task may be there under several names.
        if hasattr(task, "is_left_out") and not any(task is each for each in asked):
            task.is_left_out = True
            found.append(task)
    return found


def check_line(program: Program) -> None:
    """Answer a word that nothing knows with the nearest one, and exit code 2.

    Raises:
        Exit: There is such a word.
    """
    if program.args.complete.value:
        return
    line = program.core.unparsed
    asked = program.args.help.value
    if not line and not isinstance(asked, str):
        return
    from . import terminal, words

    core = dict(program.initial_context.flags.items())
    name = "inv" if program.namespace is None else program.binary
    try:
        if isinstance(asked, str):
            words.understand([asked, "--help"], program.collection, core, name)
        line[:] = words.understand(line, program.collection, core, name)
    except words.NotUnderstoodError as error:
        terminal.complain(error.message, (), error.remedy)
        raise Exit(code=2) from None


def _running() -> Program | None:
    """The program `inv`, where that is what runs; None where another one uses the tasks."""
    from invoke.main import program

    return program if getattr(program, "collection", None) is not None else None


# The command lines that were checked; one, unless a test runs several.
_CHECKED: list[object] = []
