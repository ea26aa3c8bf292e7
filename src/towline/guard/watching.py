"""A guard from its beginning to its end: registered, watching, stopped by a signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from towline.analysis.checks import resolve
from towline.config.guard_section import Guard
from towline.config.loading import Project
from towline.environments.host_environment import Fleet
from towline.environments.opening import close_fleet, open_fleet
from towline.errors import TowlineError
from towline.guard.registration import BEAT, Registration, register, this_guard, unregister
from towline.guard.watched import Watched
from towline.guard.watcher import Watcher
from towline.hosts.waiting import is_transient
from towline.progress import Progress
from towline.rollout.signals import Interrupt, deferred

# Seconds after which a guard that sleeps notices a signal.
_NOTICE = 0.25


def watch(
    project: Project,
    environment: str,
    *,
    say: Callable[[str], None],
    progress: Progress,
    limit: float | None = None,
    log: str = "",
) -> Watched:
    """Watch an environment, until the limit or a signal.

    Where another guard is registered, this one watches all the same: of two that decide at once,
    one acts.

    Args:
        project: The project, as it is configured now.
        environment: Name of the environment.
        say: Told about each change of state.
        progress: Shows the steps of a rollback.
        limit: Seconds after which it ends; None for never.
        log: The file that `say` ends up in, for others to find.

    Raises:
        UsageError: When a check has no source.
    """
    settings = _settings(project, environment)
    registered = _Registered(this_guard(log), say)

    def opened(*, only_look: bool) -> Fleet:
        fleet = open_fleet(project, environment, only_look=only_look)
        # What is to be masked is learnt before anything is said.
        fleet.each(lambda site: site.redactor)
        return fleet

    with deferred(lambda text: say(text.replace("at the next safe point", "the guard"))) as asked:
        watcher = Watcher(
            settings,
            look=lambda: opened(only_look=True),
            open=lambda: opened(only_look=False),
            say=say,
            sleep=lambda seconds: _sleep(seconds, asked),
            progress=progress,
            beat=registered.beat,
        )
        try:
            return watcher.watch(limit)
        finally:
            with suppress(OSError, TowlineError):
                fleet = opened(only_look=True)
                unregister(fleet.lead, registered.own)
                close_fleet(fleet)


def _settings(project: Project, environment: str) -> Guard:
    """The guard's settings; what is wrong with the checks is said before anything is watched."""
    found = project.environment(environment)
    if found.guard.triggers.checks:
        resolve(found.analysis)
    return found.guard


def _sleep(seconds: float, asked: Interrupt) -> bool:
    ends = time.monotonic() + seconds
    while not asked.asked and (left := ends - time.monotonic()) > 0:
        time.sleep(min(_NOTICE, left))
    return bool(asked.asked)


class _Registered:
    """Renews the note that says who watches."""

    def __init__(self, own: Registration, say: Callable[[str], None]) -> None:
        self.own = own
        self._say = say
        self._renewed = float("-inf")
        self._told = False

    def beat(self, fleet: Fleet) -> None:
        """Called after each round; where it cannot be written, the next one does it."""
        if time.monotonic() - self._renewed < BEAT:
            return
        try:
            other = register(fleet.lead, self.own)
        except Exception as error:
            if not is_transient(error):
                raise
            return
        self._renewed = time.monotonic()
        if other and not self._told:
            self._told = True
            self._say(f"another guard watches too: {other}")
