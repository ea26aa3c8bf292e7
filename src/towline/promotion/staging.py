"""Lay out what a promotion brings in, beside the deploy tree and on its file system."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from towline.errors import CheckFailed
from towline.promotion import copying
from towline.promotion.threads import for_each
from towline.promotion.tree import FileRecord, bytes_record, counts, walk_all, within
from towline.versions import version_files

if TYPE_CHECKING:
    from towline.promotion.plan import PromotionPlan

# The file went away, or something else has taken its place.
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO}

Copied = list[tuple[str, os.stat_result, str]]


def stage(
    plan: PromotionPlan, targets: tuple[str, ...], current: Mapping[str, FileRecord], new: Path
) -> Copied:
    """Lay out promoted paths; what does not change is linked, not written.

    Args:
        plan: The promotion.
        targets: The paths in the deploy tree.
        current: What the deploy tree holds now.
        new: The folder to lay them out in.

    Returns:
        The copies: path in the deploy tree, state of the new file, SHA-256 in hexadecimal.

    Raises:
        OSError: When a file cannot be written.
        CheckFailed: When a source file changed since the plan was made.
    """
    copied: Copied = []
    to_copy: list[tuple[str, FileRecord]] = []
    folders = _Folders()
    for path, wanted in plan.manifest.files.items():
        if not within(path, targets):
            continue
        place = folders.make_for(f"{new}/{path}")
        if current.get(path) == wanted and _link(plan.deploy_tree / path, place):
            continue
        if path in plan.generated:
            _write(place, plan.generated[path], wanted, path)
        elif wanted.mode == "link":
            Path(place).symlink_to(wanted.target)
        else:
            to_copy.append((path, wanted))

    def copy(item: tuple[str, FileRecord]) -> None:
        path, wanted = item
        source, place = plan.sources[path], f"{new}/{path}"
        stamped = version_files.content_after(source, plan.stamps)
        if stamped is not None:
            _write(place, stamped, wanted, source)
            return
        copied.append((path, *_copy(source, place, wanted)))

    for_each(copy, to_copy)
    for target in targets:
        _keep_host_files(plan.deploy_tree, target, new, folders)
    return copied


def stale(what: str) -> CheckFailed:
    """The error for what changed under a promotion."""
    return CheckFailed(
        f"{what} was changed while the promotion was running; nothing was promoted",
        remedy="run `inv promote` again",
    )


class _Folders:
    """Folders that were made already: ten thousand files lie in few of them."""

    def __init__(self) -> None:
        self._made: set[str] = set()

    def make_for(self, place: str) -> str:
        """Make the folder that a file is to lie in."""
        folder = os.path.dirname(place)  # noqa: PTH120 - a Path for each file takes long
        if folder not in self._made:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
        return place


def _copy(source: str, place: str, wanted: FileRecord) -> tuple[os.stat_result, str]:
    try:
        digest, state = copying.copy(source, place, int(wanted.mode, 8))
    except OSError as error:
        if error.errno in _GONE:
            raise stale(source) from None
        raise
    if digest != wanted.sha256:
        raise stale(source)
    return state, digest


def _write(place: str, data: bytes, wanted: FileRecord, what: str) -> None:
    if bytes_record(data, wanted.mode) != wanted:
        raise stale(what)
    path = Path(place)
    path.write_bytes(data)
    path.chmod(int(wanted.mode, 8))


def _keep_host_files(tree: Path, target: str, new: Path, folders: _Folders) -> None:
    """Take along what is no part of a release but lies in a promoted folder, such as a `.env`."""
    if not (tree / target).is_dir() or (tree / target).is_symlink():
        return
    for path in walk_all(tree, target):
        if not counts(path):
            place = folders.make_for(f"{new}/{path}")
            if not _link(tree / path, place):
                shutil.copy2(tree / path, place, follow_symlinks=False)


def _link(existing: Path, place: str) -> bool:
    """Make a second name of a file; not every file system can."""
    with suppress(OSError):
        os.link(existing, place, follow_symlinks=False)
        return True
    return False
