"""The changelog of a project, from the same history that decides its versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from towline.changelog import changelog
from towline.changelog.changelog import Section
from towline.changelog.headings import identity, order
from towline.collector import collector_off
from towline.errors import UsageError
from towline.git import remote as remotes
from towline.versions.decision import Decision
from towline.versions.version import parse
from towline.versions.version_files import Stamp
from towline.versions.version_state import VersionState


def section_for(version_state: VersionState, decision: Decision, tag: str) -> Section:
    """The section of a version that is about to be released, dated today (UTC)."""
    is_prerelease = "-" in decision.version.partition("+")[0]
    before = [
        name for version, name in version_state.recent if is_prerelease or not version.prerelease
    ]
    return Section(
        version=decision.version,
        tag=tag,
        date=datetime.now(UTC).date().isoformat(),
        previous_tag=before[-1] if before else "",
        changes=decision.changes,
    )


def sections(version_state: VersionState) -> list[Section]:
    """The sections of all released versions, newest first.

    A final version tells of everything since the final version before it; a prerelease of what
    came since the version before.
    """
    everything = [(version_state.form.text(tag), tag) for tag in version_state.tags]
    finals = [(text, tag) for text, tag in everything if "-" not in text.partition("+")[0]]
    found = {item.tag: item for item in _sections(version_state, everything)}
    if len(finals) != len(everything):
        found |= {item.tag: item for item in _sections(version_state, finals)}
    return [found[tag] for _, tag in reversed(everything)]


def written_changelog(version_state: VersionState, new: Sequence[Section]) -> Stamp:
    """The changelog before and after it gets sections.

    Raises:
        UsageError: When the file cannot be read.
    """
    path = _file(version_state)
    before = _read(path)
    web = web_address(version_state)
    after = changelog.update(
        before.decode(),
        new,
        headings=_headings(version_state),
        url=web,
        compare=lambda old, tag: remotes.compare_url(web, old, tag),
    )
    return Stamp(path.resolve(), before, after.encode(), is_new=not path.exists())


@collector_off()
def missing(version_state: VersionState, *, everything: bool = False) -> tuple[Stamp, list[str]]:
    """The changelog before and after it gets the released versions that it lacks, and those.

    Args:
        version_state: Where the project stands.
        everything: Add old versions too; else only those above the highest that it has.

    Raises:
        UsageError: When the file cannot be read.
    """
    known = changelog.versions(_read(_file(version_state)).decode())
    wanted = sections(version_state)
    if known and not everything:
        highest = max(order(version) for version in known)
        wanted = [item for item in wanted if order(item.version) > highest]
    change = written_changelog(version_state, wanted)
    there = {identity(version) for version in known}
    return change, [item.version for item in wanted if identity(item.version) not in there]


def notes(version_state: VersionState, version: str) -> str:
    """What is told of one version; of the next one for `next`.

    Raises:
        UsageError: When there is no such version.
    """
    text = _read(_file(version_state)).decode()
    if version == "next":
        decision = version_state.decide()
        section = section_for(version_state, decision, version_state.form.tag(decision.version))
        return changelog.preview(
            text, section, headings=_headings(version_state), url=web_address(version_state)
        )
    wanted = str(parse(version))
    written = changelog.section_text(text, wanted)
    if written:
        return written
    for section in sections(version_state):
        if section.version == wanted:
            change = written_changelog(version_state, [section])
            return changelog.section_text(change.after.decode(), wanted)
    raise UsageError(
        f"there is no version {wanted}", remedy="`inv version.show` tells what is released"
    )


def web_address(version_state: VersionState) -> str:
    """Web address of the repository; empty when nothing tells."""
    settings = version_state.project.settings
    if settings.versions.url:
        return settings.versions.url.rstrip("/")
    remote = remotes.parse(version_state.repository.remote(settings.promote.remote))
    return remote.web if remote else ""


def _headings(version_state: VersionState) -> Mapping[str, str]:
    return changelog.headings(version_state.project.settings.versions.sections)


def _file(version_state: VersionState) -> Path:
    return version_state.project.root / version_state.project.settings.versions.changelog


def _sections(version_state: VersionState, versions: Sequence[tuple[str, str]]) -> list[Section]:
    history = version_state.history
    segments = history.segments(history.tags[tag] for _, tag in versions)
    previous = ""
    found = []
    for (version, tag), segment in zip(versions, segments, strict=True):
        changes = tuple(version_state.counted(segment))
        date = history.date(history.tags[tag])
        found.append(Section(version, tag, date, previous, changes))
        previous = tag
    return found


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        data.decode()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", remedy="save it as UTF-8") from None
    return data
