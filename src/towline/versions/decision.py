"""Which version comes next, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semver import Version

from towline.config.release_sections import Bump
from towline.errors import UsageError
from towline.git.changes import Change
from towline.versions import version as versions
from towline.versions.rules import Rules, highest

AUTO = "auto"
FIRST = "0.1.0"
_NAMED_AT_MOST = 3


@dataclass(frozen=True)
class Decision:
    """A decision on the next version.

    Attributes:
        version: The next version; the present one when there is no new one, empty when there is
            none at all.
        previous: The version before; empty before the first.
        part: The part that the changes bump, with the rules below 1.0.0 applied.
        why: One line for people.
        reasons: The changes that bump that part.
        changes: All changes since the version before, newest first; of a final version those since
            the final version before.
    """

    version: str
    previous: str
    part: Bump
    why: str
    reasons: tuple[Change, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether there is a new version."""
        return bool(self.version) and self.version != self.previous

    @property
    def unconventional(self) -> tuple[Change, ...]:
        """Changes without a conventional message."""
        return tuple(change for change in self.changes if change.message is None)


@dataclass(frozen=True)
class DecisionInputs:
    """What a decision is made from.

    Attributes:
        rules: Which part a change bumps.
        released: All versions so far that lead to HEAD, in any order.
        since_final: Changes since the highest final version, newest first.
        since_last: Changes since the highest version, which may be a prerelease.
        label: Label of the channel: empty for final versions, None to go on as before, that is,
            with prereleases after a prerelease.
        written: Version in the version files.
        first: Version of the first release; `versions.first`.
        alike: Tags that look like versions in another form, where none has the form.
    """

    rules: Rules
    released: Sequence[Version] = ()
    since_final: Sequence[Change] = ()
    since_last: Sequence[Change] = ()
    label: str | None = None
    written: Version | None = None
    first: str = ""
    alike: Sequence[str] = ()

    @property
    def last(self) -> Version | None:
        """The highest version by precedence, not by date."""
        return max(self.released, key=versions.order_key, default=None)

    @property
    def final(self) -> Version | None:
        """The highest version that is no prerelease."""
        finals = (item for item in self.released if not item.prerelease)
        return max(finals, key=versions.order_key, default=None)


def decide(inputs: DecisionInputs, *, version: str = "", bump: str = AUTO) -> Decision:
    """Decide on the next version.

    What is asked for wins; then a version that somebody wrote into the version files and that is
    higher than all others; then what the changes bump. Changes that bump nothing make no new
    version.

    Args:
        inputs: The versions and changes so far.
        version: Version that was asked for.
        bump: Part to bump that was asked for; see `version.PARTS`.

    Raises:
        UsageError: When a text is no version or part, both were asked for, the version is not
            higher than the last one, or there is nothing to start from.
    """
    if version and bump != AUTO:
        raise UsageError(
            f"a version ({version}) and a bump ({bump}) were both asked for",
            remedy="give the version or the part to bump, not both",
        )
    if version:
        return _asked(inputs, versions.parse(version), "asked for")
    if bump != AUTO:
        start = _highest(inputs)
        bumped = versions.bump(start, bump, label=inputs.label or "rc")
        return _asked(inputs, bumped, f"{bump} asked for")
    return _decide_by_changes(inputs)


def _asked(inputs: DecisionInputs, chosen: Version, why: str) -> Decision:
    last = inputs.last
    if last is not None and chosen <= last:
        raise UsageError(
            f"version {chosen} is not higher than {last}, which was released last",
            remedy=f"ask for a version above {last}, or let the commits decide",
        )
    return _decision(inputs, chosen, "none", why)


def _highest(inputs: DecisionInputs) -> Version:
    known = [item for item in (inputs.last, inputs.written) if item is not None]
    return max(known) if known else _start(inputs)


def _decide_by_changes(inputs: DecisionInputs) -> Decision:
    last, written = inputs.last, inputs.written
    label = _label(inputs)
    # On a channel of prereleases something must have changed since the last of them; a final
    # release may follow its last candidate without a further change.
    decisive = inputs.since_last if label else inputs.since_final
    if not decisive and last is not None and written is not None and written > last:
        return _decision(inputs, written, "none", "written into the version files")
    raw = highest(inputs.rules.part(change.message) for change in decisive)
    if raw == "none":
        if written is not None and last is not None and written > last:
            return _decision(inputs, written, "none", "written into the version files")
        return _decision(inputs, last, "none", _nothing(decisive))
    core, due, part = _core(inputs)
    if part == "none":
        return _decision(inputs, last, "none", f"a {due} change bumps nothing below 1.0.0")
    reasons = tuple(item for item in decisive if inputs.rules.part(item.message) == raw)
    chosen = core if core.prerelease or not label else _candidate(inputs, core, label)
    if written is not None and written > chosen and (last is None or written > last):
        return _decision(inputs, written, part, "written into the version files", reasons)
    if last is not None and chosen <= last:
        raise UsageError(
            f"the channel `{label}` would make {chosen}, which is not higher than {last}",
            remedy="name the version: inv version.set",
        )
    why = f"{_count(reasons)} bump{'s' if len(reasons) == 1 else ''} the {raw} part"
    if due != raw and inputs.final is not None:
        why += f"; with all changes since {inputs.final} it is {due}"
    why += f"; below 1.0.0 that is {part}" if part != due else ""
    return _decision(inputs, chosen, part, _first(inputs) if last is None else why, reasons)


def _core(inputs: DecisionInputs) -> tuple[Version, Bump, Bump]:
    """The final version that the changes since the last final one lead to.

    Returns:
        It, the part that they bump, and what that part means below 1.0.0.
    """
    final, last = inputs.final, inputs.last
    changes = inputs.since_final or inputs.since_last
    raw = highest(inputs.rules.part(change.message) for change in changes)
    if last is None:
        return _start(inputs), raw, raw
    base = final or last.finalize_version()
    part = inputs.rules.in_force(raw, base)
    if final is None:
        return base, raw, part
    bumped = final if part == "none" else versions.bump(final, part)
    # What a prerelease promised is not taken back by a revert.
    return max(bumped, last.finalize_version()), raw, part


def _candidate(inputs: DecisionInputs, core: Version, label: str) -> Version:
    """The next prerelease of a version on a channel."""
    same = [
        item
        for item in inputs.released
        if item.prerelease and item.finalize_version() == core and _word(item) == label
    ]
    if same:
        return versions.bump(max(same), "prerelease")
    return core.replace(prerelease=f"{label}.1")


def _label(inputs: DecisionInputs) -> str:
    if inputs.label is not None:
        return inputs.label
    last = inputs.last
    return _word(last) if last is not None and last.prerelease else ""


def _word(version: Version) -> str:
    """The label of a prerelease: what stands before its number."""
    words = (version.prerelease or "").split(".")
    named = [word for word in words if not word.isdigit()]
    return ".".join(named) or "rc"


def _start(inputs: DecisionInputs) -> Version:
    """The version of the first release.

    Raises:
        UsageError: When nothing tells.
    """
    if inputs.written is not None:
        return inputs.written
    if inputs.first:
        return versions.parse(inputs.first)
    if inputs.alike:
        raise UsageError(
            "there is no version to start from: no tag that leads to HEAD has the form of "
            f"versions.tag, such as {_some(inputs.alike)}",
            remedy="write their form into versions.tag of towline.yaml (such as "
            '"release-{version}"), or versions.first (such as 0.1.0) to begin anew',
        )
    raise UsageError(
        "there is no version to start from: no version tag leads to HEAD, and no version file "
        "is named",
        remedy="write versions.first into towline.yaml (such as 0.1.0), or tag what is released: "
        "git tag -a v0.1.0 -m v0.1.0",
    )


def _decision(
    inputs: DecisionInputs,
    chosen: Version | None,
    part: Bump,
    why: str,
    reasons: tuple[Change, ...] = (),
) -> Decision:
    return Decision(
        version=str(chosen) if chosen else "",
        previous=str(inputs.last) if inputs.last else "",
        part=part,
        why=why,
        reasons=reasons,
        changes=tuple(inputs.since_last if chosen and chosen.prerelease else inputs.since_final),
    )


def _first(inputs: DecisionInputs) -> str:
    if not inputs.alike:
        return "the first release"
    return f"the first release; tags of another form do not count, such as {_some(inputs.alike)}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _nothing(changes: Sequence[Change]) -> str:
    return f"none of {_count(changes)} releases" if changes else "no commit since then"


def _count(changes: Sequence[Change]) -> str:
    return counted(len(changes), "change")


def counted(number: int, what: str) -> str:
    """A number of things, such as `1 change` or `2 changes`."""
    return f"{number} {what}{'' if number == 1 else 's'}"
