"""Asks the checks of `analysis` about the live release, host by host, over the last minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from towline.analysis.analyst import Analyst
from towline.analysis.checks import Answer, ResolvedCheck, resolve
from towline.analysis.sources.base import SourceContext, Window
from towline.config.analysis_section import Analysis
from towline.environments.host_environment import HostEnvironment

# Sources remember a little more than the window, which begins on a step of theirs.
_MORE = 60.0


@dataclass(frozen=True, slots=True)
class CheckSeen:
    """What one check said of one host.

    Attributes:
        host: The host; empty on this machine.
        name: The check.
        text: Its figure and what is demanded, in a few words.
    """

    host: str
    name: str
    answer: Answer
    text: str

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.name} on {self.host}" if self.host else self.name


@dataclass
class _Asked:
    """The checks of one host, for one release.

    Attributes:
        began: When the first question was asked, in Unix seconds; what was before is not known.
        last: When the last one was.
    """

    release: str
    analyst: Analyst
    began: float
    last: float


@dataclass
class CheckReader:
    """Asks those checks that fail an analysis, and that need no old release beside the live one.

    Attributes:
        section: The settings of the analysis.
        window: Seconds that each figure is about.
        clock: Unix time.
    """

    section: Analysis
    window: float
    clock: Callable[[], float] = lambda: time.time()
    _checks: list[ResolvedCheck] = field(init=False)
    _hosts: dict[str, _Asked] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._checks = [
            item
            for item in resolve(self.section)
            if item.settings.critical and not item.settings.compares
        ]

    def ask(self, site: HostEnvironment, slot: str, release: str) -> tuple[CheckSeen, ...] | None:
        """Ask each check once; None when it is too early to ask again, or to believe an answer.

        A figure of a few seconds says little, so answers count once there is a whole window.

        Args:
            site: The environment on one host.
            slot: The slot that serves there.
            release: The release in it.
        """
        name, now = site.host.name, self.clock()
        asked = self._hosts.get(name)
        if asked is None or asked.release != release:
            self._hosts[name] = asked = self._begin(site, slot, release, now)
            asked.analyst.begin(now)
            return None
        if now - asked.last < self.section.interval:
            return None
        asked.last = now
        # Asked from the beginning: some sources know only what they saw when they were asked.
        answers = asked.analyst.ask(Window(max(asked.began, now - self.window), now))
        if now - asked.began < self.window:
            return None
        host = name if site.remote else ""
        return tuple(CheckSeen(host, item.name, item.answer, item.text) for item in answers)

    def _begin(self, site: HostEnvironment, slot: str, release: str, now: float) -> _Asked:
        context = SourceContext(
            site.engine,
            {slot: release},
            keep=self.window + _MORE,
            folder=site.project.deploy_tree,
        )
        return _Asked(release, Analyst(self.section, context, slot, "", self._checks), now, now)
