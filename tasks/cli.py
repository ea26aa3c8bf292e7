"""Where tasks meet the library: projects are opened, errors become one line and an exit code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context, Exit

from . import output, terminal

if TYPE_CHECKING:
    from towline.config.loading import Project
    from towline.environments.host_environment import Fleet, HostEnvironment

ENV_HELP = "Environment of towline.yaml. Default: local."
DRY_RUN_HELP = "Print what would be done and change nothing. Default: off."
WITHOUT_HELP = "Leave these hosts out, separated by commas. Default: none."
JSON_HELP = "Print JSON on standard output. Default: off."
ALLOW_RESTART_HELP = (
    "Agree that backing services or the router restart, where the environment has "
    "`confirm: true`. Default: off."
)
JSON_PLAN_HELP = "Print the plan as JSON; needs --dry-run. Default: off."
REASON_HELP = "Why, for those who read the journal later. Default: none."
YES_HELP = "Do not ask. Required in non-interactive shells. Default: off."


@contextmanager
def outcome() -> Iterator[None]:
    """Turn errors that Towline knows into a message on stderr and the documented exit code.

    `--verbose` shows the traceback of those too.
    """
    from towline.errors import TowlineError
    from towline.rollout.signals import cleaning

    try:
        with cleaning():
            yield
    except TowlineError as error:
        if verbose():
            _trace(error)
        terminal.complain(error.message, error.details, error.remedy)
        raise Exit(code=error.exit_code) from None
    except Exit:
        raise
    except KeyboardInterrupt:
        terminal.tell("interrupted")
        raise Exit(code=130) from None
    except Exception as error:
        # A file that cannot be read, or a full disk: the words of the error are enough.
        if not isinstance(error, OSError) or verbose():
            _trace(error)
        terminal.complain(f"{type(error).__name__}: {error}", (), "")
        raise Exit(code=1) from None


def _trace(error: Exception) -> None:
    # Python's own would show what the exit masks.
    terminal.tell("".join(traceback.format_exception(error)).rstrip())


def verbose() -> bool:
    """Whether more is to be told: `--verbose`, LOG_LEVEL=DEBUG, or Invoke's own `--debug`."""
    if os.environ.get("LOG_LEVEL", "").upper() == "DEBUG":
        return True
    return logging.getLogger("invoke").isEnabledFor(logging.DEBUG)


def open_project() -> Project:
    """The project at or above the working folder; its secrets are masked from here on."""
    from towline.config.environments import learn_process, read_values
    from towline.config.loading import load
    from towline.engines.factory import learn_secrets
    from towline.errors import TowlineError

    learn_process()
    project = load(Path.cwd())
    for text in project.warnings:
        terminal.tell(f"{terminal.paint('warning', 'yellow', sys.stderr)}  {text}")
    for name in project.settings.environments:
        # What is wrong with a file is told by the command that needs it.
        with suppress(TowlineError):
            read_values(project, name)
    for kind in {item.engine for item in project.settings.environments.values()}:
        learn_secrets(kind, project)
    return project


def open_lead_environment(env: str, *, strategy: str = "") -> HostEnvironment:
    """An environment of the project; `strategy` replaces the configured one."""
    from towline.config.loading import override_strategy
    from towline.environments.opening import open_lead_environment as open_

    project = open_project()
    site = open_(override_strategy(project, env, strategy) if strategy else project, env)
    # What is to be masked is learnt before anything is printed.
    site.redactor  # noqa: B018
    return site


def open_fleet(
    env: str, *, strategy: str = "", without: list[str] | None = None, only_look: bool = False
) -> Fleet:
    """An environment of the project on all its hosts.

    Args:
        env: Its name.
        strategy: Replaces the configured one.
        without: Hosts to leave out.
        only_look: Whether nothing will be changed: hosts that are away are named.
    """
    from towline.config.loading import override_strategy
    from towline.environments.opening import open_fleet as open_

    project = open_project()
    project = override_strategy(project, env, strategy) if strategy else project
    fleet = open_(project, env, without=names(without), only_look=only_look)
    fleet.each(lambda site: site.redactor)
    return fleet


def names(given: list[str] | None) -> list[str]:
    """Names from an option that may be repeated, or hold several names between commas."""
    return [name for item in given or [] for name in item.replace(",", " ").split()]


def is_dry(context: Context, dry_run: bool) -> bool:
    """Whether only the plan is wanted: our own option, or Invoke's `--dry`."""
    return dry_run or bool(context.config.run.dry)


def refuse_json(json: bool, *, dry: bool) -> None:
    """Refuse `--json` where only the plan can be printed that way.

    Raises:
        UsageError: When more than the plan is wanted.
    """
    from towline.errors import UsageError

    if json and not dry:
        raise UsageError("--json prints the plan, and nothing else", remedy="add --dry-run")


def confirm(question: str, *, yes: bool, option: str = "--yes") -> None:
    """Ask a person; without a terminal the option must be given.

    Raises:
        UsageError: When nobody can be asked, or the answer is no.
    """
    from towline.errors import UsageError

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can be asked here.", remedy=f"add {option}")
    # Standard output is for what the command is asked for, such as JSON.
    output.write(f"{question} [y/N] ", sys.stderr)
    try:
        answer = input()
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError("not confirmed; nothing was changed")


def duration(text: str, option: str) -> float:
    """Seconds from an option such as `300`, `90s` or `5m`.

    Raises:
        UsageError: When it is no duration.
    """
    from towline.config.units import parse_duration
    from towline.errors import UsageError

    try:
        return parse_duration(text if not text.replace(".", "", 1).isdigit() else float(text))
    except ValueError as error:
        raise UsageError(f"{option}: {error}", remedy=f"for example {option} 300") from None


def count(text: str, option: str) -> int:
    """A whole number above zero from an option.

    Raises:
        UsageError: When it is something else.
    """
    from towline.errors import UsageError

    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise UsageError(
            f"{option}: {text!r} is not a number above 0", remedy=f"for example {option} 20"
        )
    return int(text)


def one_of(text: str, option: str, known: tuple[str, ...]) -> str:
    """A choice from an option.

    Raises:
        UsageError: When it is another word.
    """
    from towline.errors import UsageError

    if text not in known:
        raise UsageError(
            f"{option}: {text!r} is not one of {', '.join(known)}",
            remedy=f"for example {option} {known[0]}",
        )
    return text
