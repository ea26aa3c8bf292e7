"""Which part of the version a change raises.

The defaults are the table of semantic-release's commit analyzer: a feature raises the minor part,
a fix, a performance gain and a revert the patch, a breaking change the major; the rest nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from semver import Version

from towline.config.models import Raise, Versions
from towline.git.commits import Message

DEFAULTS: Mapping[str, Raise] = {
    "feat": "minor",
    "fix": "patch",
    "perf": "patch",
    "revert": "patch",
}
_ORDER: tuple[Raise, ...] = ("none", "patch", "minor", "major")


@dataclass(frozen=True)
class Rules:
    """The rules of one project.

    Attributes:
        types: Commit type -> part.
        breaking: Part that a breaking change raises, whatever its type.
        other: Part that a commit without a conventional message raises.
        zero: Below 1.0.0: part -> the part that is raised instead.
    """

    types: Mapping[str, Raise] = field(default_factory=lambda: DEFAULTS)
    breaking: Raise = "major"
    other: Raise = "none"
    zero: Mapping[str, Raise] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Versions) -> Rules:
        """The rules that a configuration asks for."""
        own = {kind.lower(): part for kind, part in settings.types.items()}
        zero: dict[str, Raise] = {str(part): instead for part, instead in settings.zero.items()}
        return cls({**DEFAULTS, **own}, settings.breaking, settings.other, zero)

    def part(self, message: Message | None) -> Raise:
        """The part that a change raises; None is a commit without a conventional message."""
        if message is None:
            return self.other
        own = self.types.get(message.type, "none")
        return highest((own, self.breaking)) if message.breaking else own

    def in_force(self, part: Raise, version: Version) -> Raise:
        """What a part means after a version: below 1.0.0 a project may go easier."""
        return self.zero.get(part, part) if version.major == 0 else part


def highest(parts: Iterable[Raise]) -> Raise:
    """The part that counts when several are raised; `none` of nothing."""
    return max(parts, key=_ORDER.index, default="none")
