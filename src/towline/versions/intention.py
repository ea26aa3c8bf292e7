"""What a release is about to do, written before its first change and removed after its last.

Files, index, commit and tag are one transaction by it: what a kill leaves is finished when the
commit is there, and undone when it is not.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path

from towline.atomic import STAGING_PREFIX, replace_file
from towline.errors import ManualInterventionRequired
from towline.git.private import Private, refuse_locked
from towline.git.repository import Repository
from towline.git.sealing import unstage
from towline.versions import version_files
from towline.versions.version_files import Stamp

_FILE = "release.json"


@dataclass(frozen=True)
class Reconciled:
    """What became of an interrupted release.

    Attributes:
        tag: Its tag.
        commit: Its commit, which has the tag now; empty when it was undone.
    """

    tag: str
    commit: str


@dataclass(frozen=True)
class Intention:
    """One release, as it was planned.

    Attributes:
        head: The commit that it starts from.
        message: The message of its commit; empty when none is made.
        tag: Name of the tag.
        notes: The tag's message.
        stamps: Files before and after.
    """

    head: str
    message: str
    tag: str
    notes: str
    stamps: tuple[Stamp, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the commit."""
        return tuple(item.path for item in self.stamps)

    def write(self, repository: Repository, private: Private) -> None:
        """Write it down; the release may begin."""
        data = {
            "head": self.head,
            "message": self.message,
            "tag": self.tag,
            "notes": self.notes,
            "stamps": [
                {
                    "path": os.path.relpath(item.path, repository.root.resolve()),
                    "before": base64.b64encode(item.before).decode(),
                    "after": base64.b64encode(item.after).decode(),
                    "is_new": item.is_new,
                }
                for item in self.stamps
            ],
        }
        replace_file(private.folder / _FILE, json.dumps(data, indent=2).encode())

    def landed(self, repository: Repository) -> str:
        """The commit that it made; empty when there is none."""
        if not self.message or not repository.head() or repository.head() == self.head:
            return ""
        span = ("log", "--first-parent", "--format=%H %P", "--end-of-options", "HEAD")
        for line in repository.ask(*span, f"^{self.head}").splitlines():
            sha, *parents = line.split()
            if parents == [self.head]:
                subject = repository.ask("log", "-1", "--format=%s", "--end-of-options", sha)
                return sha if subject.startswith(self.message) or self._is_in(repository) else ""
        return ""

    def reconcile(self, repository: Repository, private: Private) -> Reconciled:
        """Finish it when its commit is there, else undo it. Doing this twice is harmless.

        Raises:
            ManualInterventionRequired: When a file cannot be put back.
            TowlineError: When Git refuses; it stays to be reconciled.
        """
        made = self.landed(repository)
        if made:
            # What people staged since then is theirs.
            if repository.head() == made:
                unstage(repository, self.paths, private=private)
            if not repository.has_tag(self.tag):
                repository.tag(self.tag, self.notes, made)
        else:
            self._undo(repository, private)
        clear(private)
        return Reconciled(self.tag, made)

    def _undo(self, repository: Repository, private: Private) -> None:
        # Whoever committed such a file by hand meant it.
        mine = [item for item in self.stamps if not self._is_committed(repository, item)]
        try:
            version_files.take_back(mine)
        except OSError as error:
            raise ManualInterventionRequired(
                f"the interrupted release of {self.tag} cannot be undone: {error}",
                remedy="fix that, and run this again",
            ) from None
        for folder in {item.path.parent for item in self.stamps}:
            # What a kill left of a file's new content beside it.
            for path in folder.glob(f"{STAGING_PREFIX}*"):
                if path.is_file() and not path.is_symlink():
                    path.unlink()
        unstage(repository, [item.path for item in mine], private=private)

    def _is_committed(self, repository: Repository, item: Stamp) -> bool:
        return repository.head() != self.head and repository.holds(item.path)

    def _is_in(self, repository: Repository) -> bool:
        """Whether the commit that is checked out holds what was to be written."""
        return all(repository.holds(item.path) for item in self.stamps)


def reconcile_left(repository: Repository, private: Private) -> Reconciled | None:
    """Settle what a killed release left; None when nothing was.

    Raises:
        UsageError: When Git itself is locked.
        ManualInterventionRequired: When it cannot be reconciled.
        TowlineError: When Git refuses.
    """
    try:
        data = json.loads((private.folder / _FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ManualInterventionRequired(
            f"{private.folder / _FILE} is damaged: {error}",
            remedy="see git status, then remove that file",
        ) from None
    stamps = (
        Stamp(
            Path(os.path.normpath(repository.root.resolve() / item["path"])),
            base64.b64decode(item["before"]),
            base64.b64decode(item["after"]),
            is_new=item["is_new"],
        )
        for item in data["stamps"]
    )
    left = Intention(data["head"], data["message"], data["tag"], data["notes"], tuple(stamps))
    refuse_locked(repository, left.tag)
    return left.reconcile(repository, private)


def is_left(repository: Repository) -> bool:
    """Whether a release is running, or a killed one is to be reconciled."""
    return (repository.git_path("towline") / _FILE).exists()


def clear(private: Private) -> None:
    """Forget it: everything is done, or undone."""
    (private.folder / _FILE).unlink(missing_ok=True)
