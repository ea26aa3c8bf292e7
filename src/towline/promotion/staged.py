"""What a killed promotion says of itself, believed only as far as it can have been written by one.

A staging folder lies in the deploy tree, where a commit or an archive of somebody else can bring
one, too: what it names must stay within the tree, and Git must not know it.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from towline.errors import UsageError
from towline.git.repository import Repository
from towline.versions.version_files import Stamp

INTENTION = "intention.json"


class _Stamped(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    before: Base64Bytes
    after: Base64Bytes


class Staged(BaseModel):
    """An intention, as `swap.Swap` writes it; paths of stamps and commit from the deploy tree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    targets: tuple[str, ...]
    present: tuple[str, ...]
    stamps: tuple[_Stamped, ...]
    commit_paths: tuple[str, ...]

    def files(self, tree: Path) -> tuple[Stamp, ...]:
        """The version files before and after."""
        return tuple(
            Stamp(_place(tree, item.path), item.before, item.after) for item in self.stamps
        )

    def committed(self, tree: Path) -> tuple[Path, ...]:
        """The paths of the commit."""
        return tuple(_place(tree, path) for path in self.commit_paths)


def read_staged(
    tree: Path, staging: Path, repository: Repository | None, root: Path
) -> Staged | None:
    """Read the intention of a staging folder.

    Args:
        tree: The deploy tree.
        staging: The folder in it.
        repository: The repository; None outside Git.
        root: The folder that version files lie in.

    Returns:
        None when there is none: it was killed while it staged, or while it cleaned up.

    Raises:
        UsageError: When no promotion here wrote it; nothing is touched then.
    """
    _check_folder(staging, repository)
    try:
        data = (staging / INTENTION).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{staging / INTENTION} cannot be read: {error.strerror}") from None
    try:
        found = Staged.model_validate_json(data)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise _foreign(staging, f"its {INTENTION} is damaged ({where or 'no JSON'})") from None
    _check(found, tree, staging, root)
    return found


def _check_folder(staging: Path, repository: Repository | None) -> None:
    for path in (staging, staging / "new", staging / "old", staging / INTENTION):
        if path.is_symlink():
            raise _foreign(staging, f"{path.name} is a symbolic link")
    if repository is not None and repository.ask("ls-files", "--", str(staging)):
        raise UsageError(
            f"{staging} looks like an interrupted promotion, but is in Git; nothing was changed",
            remedy=f"no promotion is ever committed: look at it, then git rm -r {staging}",
        )


def _check(found: Staged, tree: Path, staging: Path, root: Path) -> None:
    for target in found.targets:
        inside = (tree / target).parent.resolve().is_relative_to(tree.resolve())
        if posixpath.normpath(target) != target or target.startswith(("/", "..")) or not inside:
            raise _foreign(staging, f"{target} is outside {tree.name}/")
        if target == "." or (tree / target) == staging:
            raise _foreign(staging, f"{target} is no promoted path")
    if not set(found.present) <= set(found.targets):
        raise _foreign(staging, "what it replaced is not what it brings")
    for stamp in found.files(tree):
        path = stamp.path.resolve()
        if not path.is_relative_to(root.resolve()) or ".git" in path.parts:
            raise _foreign(staging, f"{stamp.path} is no version file of this project")


def _place(tree: Path, path: str) -> Path:
    return Path(os.path.normpath(tree / path))


def _foreign(staging: Path, why: str) -> UsageError:
    return UsageError(
        f"{staging} is no interrupted promotion of this project: {why}; nothing was changed",
        remedy=f"look at it, then remove it: rm -r {staging}",
    )
