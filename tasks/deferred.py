"""Tasks that are listed before they are loaded.

Most of a list's time would go into the modules of all the tasks, and a command needs one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from importlib import import_module
from typing import Any, NamedTuple

from invoke import Argument, Collection

from . import command

# What the parser, the help of a task and the executor ask for; everything else is in the index.
_LOADED = {
    *("body", "positional", "optional", "iterable", "incrementable", "auto_shortflags", "help"),
    *("pre", "post", "autoprint", "times_called", "__wrapped__"),
}


class Row(NamedTuple):
    """What is known of a task without its module.

    Attributes:
        name: With the namespaces, as people type it.
        module: The module of this package that it is in.
        function: Its name there.
        own: Its own name, which a namespace may replace.
        aliases: Further names.
        is_default: Whether the name of its namespace means this task.
        text: Its docstring.
    """

    name: str
    module: str
    function: str
    own: str
    aliases: tuple[str, ...]
    is_default: bool
    text: str


class Deferred(command.Command):
    """A task whose module is imported when somebody asks for more than the index knows."""

    def __init__(self, row: Row) -> None:
        """Take what the index knows; Invoke's own would need the body."""
        # A flat dictionary: Invoke copies every task that it is given.
        self.__dict__.update(
            _name=row.own,
            __name__=row.function,
            __module__=f"{__package__}.{row.module}",
            __doc__=row.text,
            aliases=row.aliases,
            is_default=row.is_default,
            is_left_out=False,
        )

    def __getattr__(self, name: str) -> Any:
        """Load the task; called for what is not there yet."""
        if name not in _LOADED:
            raise AttributeError(f"a task has no {name!r}")
        module = import_module(self.__module__)
        known = self.__dict__
        whole = vars(getattr(module, self.__name__))
        known.update({key: value for key, value in whole.items() if key not in known})
        # Invoke takes the help out when arguments are asked for.
        known["help"] = dict(known["help"])
        return known[name]

    def __deepcopy__(self, memo: dict[int, Any]) -> Deferred:
        """A copy, with its own help where that is loaded already."""
        made = copy(self)
        if "help" in made.__dict__:
            made.help = dict(made.help)
        return made

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """The options of the task; none while a line is parsed that does not name it."""
        command.check_running()
        return [] if self.is_left_out else super().get_arguments(ignore_unknown_help)


def collect(rows: Sequence[Row], defaults: Mapping[str, str]) -> Collection:
    """The collection that an index describes.

    Args:
        rows: Its tasks.
        defaults: Namespace -> its default task; the root's name is empty.
    """
    root = Collection()
    spaces = {"": root}
    for row in rows:
        space, _, name = row.name.rpartition(".")
        if space not in spaces:
            spaces[space] = Collection(space)
            root.add_collection(spaces[space])
        spaces[space].add_task(Deferred(row), name=name, default=False)
    for space, name in defaults.items():
        spaces[space].default = name
    command.register(root)
    return root
