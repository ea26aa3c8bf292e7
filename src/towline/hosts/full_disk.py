"""A full disk, told as such: whatever met it, in whatever words, on the machine that has it.

Only programs and engines are understood by their words, where their answers come in: `line`.
"""

import errno
from contextlib import suppress
from pathlib import Path

from towline.errors import DiskFull, TowlineError
from towline.hosts.base import Host

# The kernel's words (ENOSPC, EDQUOT), which programs and engines pass on.
_SAID = ("no space left on device", "disk quota exceeded")
_CODES = (errno.ENOSPC, errno.EDQUOT)
# What is written in one piece and is no image.
_ROOM = 1 << 20


class NotWritten(OSError):
    """A host does not write a file, and does not say why: SFTP has no word for a full disk."""


def line(text: str) -> str:
    """The first line of an answer that speaks of a full disk; empty when none does."""
    found = (item.strip() for item in text.splitlines() if any(w in item.lower() for w in _SAID))
    return next(found, "")


def full(name: str, said: str) -> DiskFull:
    """The error for a full disk.

    Args:
        name: The machine that has it.
        said: What somebody met there.
    """
    return DiskFull(
        f"the disk of {name} is full: {said}",
        remedy=f"free space on {name}: `df -h` shows which disk it is, `docker system df` what "
        "images, containers and volumes take",
    )


def found(error: Exception, host: Host, folder: Path) -> DiskFull | None:
    """The same error as one of a full disk of a host; None when it is none.

    Args:
        error: What went wrong there.
        host: The host.
        folder: Where its state lies.
    """
    if isinstance(error, DiskFull):
        return error
    if isinstance(error, OSError) and error.errno in _CODES:
        return full(host.name, str(error))
    if isinstance(error, NotWritten):
        with suppress(OSError, TowlineError):
            if host.files.free_bytes(folder) < _ROOM:
                return full(host.name, f"nothing can be written to {folder}")
    return None
