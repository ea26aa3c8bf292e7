"""What is made on this machine: never open for others to write, and owned by who should own it."""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folder(path: Path, mode: int = 0o755, owner: int | None = None) -> None:
    """Make a folder and its parents; an existing one is left as it is.

    `Path.mkdir` gives parents all permissions that the umask leaves, and `umask 000` leaves all.

    Args:
        path: The folder.
        mode: Its permissions, at most; its parents get 0755.
        owner: The user to give it and its new parents to, where permitted.
    """
    if path.is_dir():
        return
    make_folder(path.parent, owner=owner)
    try:
        path.mkdir(mode)
    except FileExistsError:
        # Another one may have made it at the same time.
        if not path.is_dir():
            raise
        return
    if owner is not None:
        handle = os.open(path, _FOLDER)
        try:
            give(handle, owner)
        finally:
            os.close(handle)


def give(handle: int, owner: int | None) -> None:
    """Give what root has made to a user; what has another owner than root already keeps it."""
    if owner is not None and os.geteuid() == 0 and os.fstat(handle).st_uid == 0:
        os.fchown(handle, owner, -1)
