"""Which part of the version a change bumps.

The defaults are the table of semantic-release's commit analyzer: a feature bumps the minor part,
a fix, a performance gain and a revert the patch, a breaking change the major; the rest nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from semver import Version

from towline.config.release_sections import Bump, Versions
from towline.git.commits import Message

DEFAULTS: Mapping[str, Bump] = {
    "feat": "minor",
    "fix": "patch",
    "perf": "patch",
    "revert": "patch",
}
_ORDER: tuple[Bump, ...] = ("none", "patch", "minor", "major")


@dataclass(frozen=True)
class Rules:
    """The rules of one project.

    Attributes:
        types: Commit type -> part.
        breaking: Part that a breaking change bumps, whatever its type.
        other: Part that a commit without a conventional message bumps.
        pre_1_0: Below 1.0.0: part -> the part that is bumped instead.
    """

    types: Mapping[str, Bump] = field(default_factory=lambda: DEFAULTS)
    breaking: Bump = "major"
    other: Bump = "none"
    pre_1_0: Mapping[str, Bump] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Versions) -> Rules:
        """The rules that a configuration asks for."""
        own = {kind.lower(): part for kind, part in settings.types.items()}
        early: dict[str, Bump] = {str(part): instead for part, instead in settings.pre_1_0.items()}
        return cls({**DEFAULTS, **own}, settings.breaking, settings.other, early)

    def part(self, message: Message | None) -> Bump:
        """The part that a change bumps; None is a commit without a conventional message."""
        if message is None:
            return self.other
        own = self.types.get(message.type, "none")
        return highest((own, self.breaking)) if message.breaking else own

    def in_force(self, part: Bump, version: Version) -> Bump:
        """What a part means after a version: below 1.0.0 a project may go easier."""
        return self.pre_1_0.get(part, part) if version.major == 0 else part


def highest(parts: Iterable[Bump]) -> Bump:
    """The part that counts when several are bumped; `none` of nothing."""
    return max(parts, key=_ORDER.index, default="none")
