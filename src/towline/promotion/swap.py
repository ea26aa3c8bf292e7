"""Put a staged tree in the place of the old one, so that a kill leaves the old or the new one.

In a staging folder beside the promoted paths lie what comes in (`new/`), what went out (`old/`)
and an intention, written before the first change. What a kill left behind is reconciled by
`recover`: when the manifest, which goes last, and the commit are in place, the rest is cleaned
up; else every step is rolled back.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from towline.atomic import STAGING_PREFIX, replace_file
from towline.errors import Locked, ManualInterventionRequired
from towline.git.private import exclusive
from towline.git.repository import Repository
from towline.git.sealing import unstage
from towline.promotion.staged import INTENTION, read_staged
from towline.promotion.tree import MANIFEST_FILE
from towline.versions import version_files
from towline.versions.version_files import Stamp

_UNDOING = "undoing"


@contextmanager
def locked(tree: Path) -> Iterator[None]:
    """Hold the deploy tree for one promotion; the system lets go of it when the process ends.

    Raises:
        Locked: When another promotion is running on it.
    """
    handle = os.open(tree, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"another promotion is running on {tree}", remedy="wait for it to end"
            ) from None
        yield
    finally:
        os.close(handle)


def leftovers(tree: Path) -> list[Path]:
    """Staging folders in a deploy tree: of a promotion that is running, or was killed."""
    return sorted(path for path in tree.glob(f"{STAGING_PREFIX}*") if path.is_dir())


def new_staging(tree: Path) -> Path:
    """Make a staging folder in the deploy tree, which is surely on its file system.

    Raises:
        OSError: When it cannot be made.
    """
    staging = Path(tempfile.mkdtemp(dir=tree, prefix=STAGING_PREFIX))
    # Git must not see it: the commit is made while it is there.
    (staging / ".gitignore").write_text("*\n")
    (staging / "new").mkdir()
    (staging / "old").mkdir()
    return staging


@dataclass(frozen=True)
class Swap:
    """One exchange of promoted paths.

    Attributes:
        tree: The deploy tree.
        staging: Where `new/` holds what comes in.
        targets: Paths in the tree to exchange; the manifest is the last.
        present: Those of the targets that existed before.
        stamps: Version files of the source tree that change with it.
        commit_paths: Paths of the commit that belongs to it; empty when none is made.
    """

    tree: Path
    staging: Path
    targets: tuple[str, ...]
    present: tuple[str, ...]
    stamps: tuple[Stamp, ...] = ()
    commit_paths: tuple[Path, ...] = ()

    def do(self) -> None:
        """Write the intention, stamp the version files and exchange the targets.

        Raises:
            OSError: When a step fails; call `reconcile` then.
        """
        self._write_intention()
        version_files.write(self.stamps)
        for target in self.targets:
            self._exchange(target)

    def reconcile(self, repository: Repository | None) -> bool:
        """Bring it to an end, whatever was done of it. Doing this twice is harmless.

        Returns:
            Whether the new tree is in place; if not, the old one is.

        Raises:
            ManualInterventionRequired: When a step cannot be rolled back.
        """
        landed = self._landed(repository)
        if not landed:
            try:
                self._undo()
            except OSError as error:
                raise ManualInterventionRequired(
                    f"{self.tree}: the interrupted promotion cannot be rolled back: {error}",
                    remedy="fix that and run `inv promote` again",
                    details=[f"the old files are in {self.staging / 'old'}"],
                ) from None
        if repository is not None and self.commit_paths:
            with exclusive(repository) as private:
                unstage(repository, self.commit_paths, private=private)
        self._remove_half_written()
        discard(self.staging)
        return landed

    def _landed(self, repository: Repository | None) -> bool:
        if (self.staging / _UNDOING).exists() or os.path.lexists(self._new(MANIFEST_FILE)):
            return False
        if not self.commit_paths or repository is None:
            return True
        return repository.holds((self.tree / MANIFEST_FILE).resolve())

    def _exchange(self, target: str) -> None:
        live, new, old = self.tree / target, self._new(target), self._old(target)
        for path in (live, old):
            path.parent.mkdir(parents=True, exist_ok=True)
        if _is_file(live) and _is_file(new):
            # A file is replaced in one step, so that it is never missing.
            with suppress(OSError):
                old.hardlink_to(live)
                new.replace(live)
                return
            old.unlink(missing_ok=True)
        if os.path.lexists(live):
            live.rename(old)
        new.rename(live)

    def _undo(self) -> None:
        # From here on the manifest's place says nothing any more; the mark does.
        (self.staging / _UNDOING).touch()
        for target in reversed(self.targets):
            self._take_back(target)
        version_files.take_back(self.stamps)

    def _take_back(self, target: str) -> None:
        live, new, old = self.tree / target, self._new(target), self._old(target)
        if os.path.lexists(old):
            if os.path.lexists(live) and not (_is_file(live) and _is_file(old)):
                new.parent.mkdir(parents=True, exist_ok=True)
                live.rename(new)
            old.replace(live)
        elif target not in self.present and os.path.lexists(live):
            new.parent.mkdir(parents=True, exist_ok=True)
            live.rename(new)

    def _remove_half_written(self) -> None:
        """What a kill left of a version file's new content beside it."""
        for stamp in self.stamps:
            for path in stamp.path.parent.glob(f"{STAGING_PREFIX}*"):
                if _is_file(path):
                    path.unlink()

    def _new(self, target: str) -> Path:
        return self.staging / "new" / target

    def _old(self, target: str) -> Path:
        return self.staging / "old" / target

    def _write_intention(self) -> None:
        data = {
            "targets": self.targets,
            "present": self.present,
            "stamps": [
                {
                    "path": self._relative(item.path),
                    "before": base64.b64encode(item.before).decode(),
                    "after": base64.b64encode(item.after).decode(),
                }
                for item in self.stamps
            ],
            "commit_paths": [self._relative(path) for path in self.commit_paths],
        }
        replace_file(self.staging / INTENTION, json.dumps(data, indent=2).encode())

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path, self.tree)


def recover(tree: Path, repository: Repository | None, root: Path) -> bool:
    """Reconcile what killed promotions left behind; call it with the tree locked.

    Args:
        tree: The deploy tree.
        repository: The repository; None outside Git.
        root: The folder that version files lie in.

    Returns:
        Whether there was anything.

    Raises:
        UsageError: When something there was not left by a promotion.
        ManualInterventionRequired: When the old tree cannot be restored.
    """
    found = leftovers(tree)
    for staging, staged in [
        (staging, read_staged(tree, staging, repository, root)) for staging in found
    ]:
        if staged is None:
            # It was killed while it staged, or while it cleaned up.
            discard(staging)
            continue
        swap = Swap(
            tree=tree,
            staging=staging,
            targets=staged.targets,
            present=staged.present,
            stamps=staged.files(tree),
            commit_paths=staged.committed(tree),
        )
        swap.reconcile(repository)
    return bool(found)


def discard(staging: Path) -> None:
    """Remove a staging folder; first the intention, since half of `old/` is nothing to restore."""
    (staging / INTENTION).unlink(missing_ok=True)
    shutil.rmtree(staging, ignore_errors=True)


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
