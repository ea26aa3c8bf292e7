"""The form of version tags, such as `v1.2.3` or `shop-v1.2.3`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from semver import Version

from towline.errors import UsageError
from towline.versions.version import precedence

_PLACE = "{version}"
_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_SHORT = re.compile(r"(\d+)\.(\d+)")
_ALIKE = re.compile(r"(?<![\d.])\d+\.\d+(?:\.\d+)?(?![\d.])")
# The pattern of semver.org, anchored: `Version.parse` of every one of 12,000 tags takes longer.
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)


@dataclass(frozen=True)
class TagForm:
    """How versions are written as tags.

    Attributes:
        form: Text around `{version}`; `versions.tag`.
        ignored: Patterns of tags that are no versions, whatever they look like.
    """

    form: str = f"v{_PLACE}"
    ignored: tuple[str, ...] = ()

    def tag(self, version: str | Version) -> str:
        """The tag of a version."""
        return self.form.replace(_PLACE, str(version))

    def version(self, tag: str) -> Version | None:
        """The version that a tag names; None for every other tag, such as a moving `v10`."""
        text = self._inner(tag)
        found = _SEMVER.fullmatch(text) if text is not None else None
        if found is None or self._is_ignored(tag):
            return None
        major, minor, patch, prerelease, build = found.groups()
        return Version(int(major), int(minor), int(patch), prerelease, build)

    def ordered(self, tags: Iterable[str]) -> list[str]:
        """The tags that name versions, from the lowest version to the highest.

        The tag's text decides between versions that only differ in build metadata.
        """
        start, end = map(re.escape, self._ends)
        whole = re.compile(rf"^({start}{_SEMVER.pattern}{end})$", re.ASCII | re.MULTILINE)
        # All at once, as no tag holds a line end: one by one takes three times as long.
        found = [
            (precedence(int(major), int(minor), int(patch), prerelease), tag)
            for tag, major, minor, patch, prerelease, _ in whole.findall("\n".join(tags))
            if not self.ignored or not self._is_ignored(tag)
        ]
        return [tag for _, tag in sorted(found)]

    def text(self, tag: str) -> str:
        """The version that a tag names, as it stands there."""
        start, end = self._ends
        return tag[len(start) : len(tag) - len(end)]

    def refuse_misspelt(self, tags: Iterable[str], highest: Version | None) -> None:
        """Refuse to decide past a tag that was meant as a higher version, but is none.

        `v1.3.0rc1`, `v1.3` or `1.3.0` above `v1.2.3` would otherwise be passed over in silence.

        Args:
            tags: All tags, or those that name no version.
            highest: The highest version.

        Raises:
            UsageError: When there is one.
        """
        above = (highest.major, highest.minor, highest.patch) if highest else (-1, -1, -1)
        for tag in sorted(tags):
            if self.version(tag) is None and not self._is_ignored(tag):
                self._refuse_short(tag, highest, above[:2])
                self._refuse_odd(tag, highest, above)
                self._refuse_twin(tag, highest, above)

    def alike(self, tags: Iterable[str]) -> list[str]:
        """Tags that look like versions, but have another form."""
        return [
            tag
            for tag in sorted(tags)
            if _ALIKE.search(tag) and self.version(tag) is None and not self._is_ignored(tag)
        ]

    def _refuse_odd(self, tag: str, highest: Version | None, above: tuple[int, ...]) -> None:
        """A tag of the form with three numbers, and something that is not semantic."""
        numbers = _NUMBERS.match(self._inner(tag) or "")
        if numbers and tuple(map(int, numbers.groups())) > above:
            raise UsageError(
                f"the tag {tag} looks like a version above "
                f"{highest or 'all others'}, but is no semantic version",
                remedy=f"tag it anew, such as {self.tag('1.3.0-rc.1')}, or name {tag} in "
                "versions.ignore_tags of towline.yaml",
            )

    def _refuse_short(self, tag: str, highest: Version | None, above: tuple[int, ...]) -> None:
        """A tag of the form with two numbers; `v1.2` that moves along with `v1.2.3` is fine."""
        numbers = _SHORT.fullmatch(self._inner(tag) or "")
        if numbers and tuple(map(int, numbers.groups())) > above:
            whole = self.tag(f"{numbers[0]}.0")
            raise UsageError(
                f"the tag {tag} looks like a version above "
                f"{highest or 'all others'}, but is no semantic version",
                remedy=f"tag it anew: git tag -a {whole} -m {whole} '{tag}^{{}}'; or name {tag} in "
                "versions.ignore_tags of towline.yaml",
            )

    def _refuse_twin(self, tag: str, highest: Version | None, above: tuple[int, ...]) -> None:
        """A version of the form with a `v` too many or too few."""
        found = self._twin.version(tag)
        if found and (found.major, found.minor, found.patch) > above:
            raise UsageError(
                f"the tag {tag} looks like a version above {highest or 'all others'}, but has not "
                f"the form {self.form}",
                remedy=f'write versions.tag: "{self._twin.form}" into towline.yaml, or name {tag} '
                "in versions.ignore_tags",
            )

    @cached_property
    def _twin(self) -> TagForm:
        start, end = self._ends
        start = start[:-1] if start.endswith("v") else f"{start}v"
        return TagForm(f"{start}{_PLACE}{end}", self.ignored)

    def _inner(self, tag: str) -> str | None:
        """What stands where the version belongs; None when the tag has another form."""
        start, end = self._ends
        if not tag.startswith(start) or not tag.endswith(end):
            return None
        return tag[len(start) : len(tag) - len(end)]

    @cached_property
    def _ends(self) -> tuple[str, str]:
        start, _, end = self.form.partition(_PLACE)
        return start, end

    def _is_ignored(self, tag: str) -> bool:
        return bool(self.ignored) and any(fnmatchcase(tag, pattern) for pattern in self.ignored)
