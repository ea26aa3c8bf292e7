"""Which version a promotion gives the tree."""

from __future__ import annotations

from semver import Version

from towline.errors import UsageError
from towline.release import version as versions

FIRST = "0.1.0"
AUTO = "auto"


def next_version(
    last: str | None, written: str | None, *, changed: bool, version: str = "", bump: str = AUTO
) -> str:
    """Decide on a version.

    What is asked for wins. Without a wish: a version that somebody wrote into the version files
    and that is higher than the last one; the last one when nothing changed; else the next patch,
    or after a prerelease the next prerelease, because a final release is a decision of people.

    Args:
        last: Version of the last promotion; None before the first.
        written: Version in the version files; None when there are none.
        changed: Whether the tree differs from the last promotion.
        version: Version that was asked for.
        bump: Part to raise that was asked for; see `version.PARTS`.

    Raises:
        UsageError: When a text is no version or part, both were asked for, or the version is not
            higher than the last one although the tree differs.
    """
    if version and bump != AUTO:
        raise UsageError(
            f"a version ({version}) and a bump ({bump}) were both asked for",
            remedy="give --version or --bump, not both",
        )
    before = versions.parse(last) if last else None
    chosen = versions.parse(version) if version else _derived(before, written, changed, bump)
    if before is not None and (chosen < before or (changed and chosen <= before)):
        raise UsageError(
            f"version {chosen} is not higher than {before}, which was promoted last",
            remedy="ask for --bump patch, or for a higher --version",
        )
    return str(chosen)


def _derived(last: Version | None, written: str | None, changed: bool, bump: str) -> Version:
    in_files = versions.parse(written) if written else None
    known = [item for item in (last, in_files) if item is not None]
    highest = max(known) if known else versions.parse(FIRST)
    if bump != AUTO:
        return versions.bump(highest, bump)
    if last is None or highest > last:
        return highest
    if not changed:
        return last
    return versions.bump(last, "prerelease" if last.prerelease else "patch")
