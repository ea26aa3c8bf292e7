"""The files that carry a project's version: read it, and stamp a new one.

A stamp is first computed as text and checked; nothing is written before all are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from towline.atomic import replace_file
from towline.config.release_sections import VersionFile, VersionPattern
from towline.errors import UsageError
from towline.versions.version import parse
from towline.versions.version_kinds import BOM, LOCK, LOCKS, Kind, kind_of


@dataclass(frozen=True)
class Stamp:
    """A version file before and after it gets a version; both are the same when it has it.

    Attributes:
        path: The file.
        before: Its content.
        after: What it becomes.
        is_new: Whether it is made anew.
    """

    path: Path
    before: bytes
    after: bytes
    is_new: bool = False


def written_version(folder: Path, files: Sequence[VersionFile]) -> str | None:
    """The one version that all files carry, without a leading `v`; None when there are no files.

    Args:
        folder: Folder that the names are relative to; the source tree.
        files: Their paths, or paths with patterns; `promote.version_files`.

    Raises:
        UsageError: When a file cannot be read or has no semantic version, or two disagree.
    """
    first: tuple[str, str] | None = None
    for file in files:
        name = name_of(file)
        for version in _versions(folder / name, kind_of(folder, file)):
            if first is not None and first[1] != version:
                raise UsageError(
                    f"{folder / first[0]} has version {first[1]} and {folder / name} has {version}",
                    remedy="write the same version into both, or promote with --version",
                )
            first = first or (name, version)
    return first[1] if first else None


def written_versions(folder: Path, files: Sequence[VersionFile]) -> list[str]:
    """All versions that files carry, which an interrupted stamp can leave different.

    Raises:
        UsageError: When a file cannot be read or has no semantic version.
    """
    return [
        version
        for file in files
        for version in _versions(folder / name_of(file), kind_of(folder, file))
    ]


def name_of(file: VersionFile) -> str:
    """The path of a version file as it is configured."""
    return file.file if isinstance(file, VersionPattern) else file


def stamps(folder: Path, files: Sequence[VersionFile], version: str) -> list[Stamp]:
    """What each file becomes when it gets a version; nothing is written.

    Raises:
        UsageError: When a file cannot be read, has no version, or cannot be stamped.
    """
    changes: dict[Path, Stamp] = {}
    for file in files:
        path = (folder / name_of(file)).resolve()
        kind = kind_of(folder, file)
        # One file may be named twice, with two patterns.
        before = changes.get(path)
        changes[path] = _stamp(path, kind, str(parse(version)), before)
    for path in list(changes):
        for lock in _locks(path):
            changes.setdefault(lock, _stamp(lock, LOCK, str(parse(version)), None))
    return list(changes.values())


def refuse_outside(root: Path, changes: Iterable[Stamp]) -> None:
    """Refuse files that no commit can hold.

    Raises:
        UsageError: When one is outside the repository.
    """
    for change in changes:
        if not change.path.is_relative_to(root.resolve()):
            raise UsageError(
                f"{change.path} is outside the repository {root}: no commit can hold it",
                remedy="fix its path in towline.yaml: versions.files, versions.changelog or "
                "promote.version_files",
            )


def write(changes: Sequence[Stamp]) -> None:
    """Write all stamps, or none: when one fails, those written before are undone.

    Raises:
        OSError: When a file cannot be written.
    """
    done: list[Stamp] = []
    try:
        for change in changes:
            if change.after != change.before:
                replace_file(change.path, change.after)
                done.append(change)
    except BaseException:
        take_back(done)
        raise


def take_back(changes: Sequence[Stamp]) -> None:
    """Write what files were before a stamp, unless somebody changed them since.

    Raises:
        OSError: When a file cannot be written.
    """
    for change in reversed(changes):
        if change.after == change.before or _content(change.path) != change.after:
            continue
        if change.is_new:
            change.path.unlink()
        else:
            replace_file(change.path, change.before)


def content_after(file: str, changes: Sequence[Stamp]) -> bytes | None:
    """What a file that is no symbolic link holds after the stamps; None when none concerns it."""
    for change in changes:
        # The names are compared first: finding the real path of ten thousand files takes long.
        if file.endswith(change.path.name) and Path(file).resolve() == change.path:
            return change.after
    return None


def _content(path: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _versions(path: Path, kind: Kind) -> Iterator[str]:
    for value in kind.values(path, _text(path)):
        try:
            yield str(parse(value))
        except UsageError as error:
            raise UsageError(f"{path}: {error.message}", remedy=error.remedy) from None


def _locks(path: Path) -> list[Path]:
    """Lock files beside a version file that repeat its version."""
    beside = [path.with_name(name) for name in LOCKS.get(path.name, ())]
    return [lock for lock in beside if lock.is_file() and _repeats(lock)]


def _repeats(lock: Path) -> bool:
    try:
        return bool(LOCK.values(lock, _text(lock)))
    except UsageError:
        # Without a version of the project, as npm writes it where package.json has none.
        return False


def _stamp(path: Path, kind: Kind, version: str, before: Stamp | None) -> Stamp:
    text = before.after.decode() if before else _text(path)
    bom = BOM if text.startswith(BOM) else ""
    after = bom + kind.stamp(path, text.removeprefix(BOM), version)
    return Stamp(path, before.before if before else text.encode(), after.encode())


def _text(path: Path) -> str:
    try:
        # Bytes, so that no line end is translated.
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise UsageError(
            f"the version file {path} does not exist",
            remedy="create it, or fix promote.version_files in towline.yaml",
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", remedy="save it as UTF-8") from None
