"""A full disk, told as such: whatever met it, in whatever words, on the machine that has it."""

from contextlib import suppress
from pathlib import Path

from towline.errors import DiskFull, TowlineError
from towline.hosts.base import Host

# The kernel's words (ENOSPC, EDQUOT), which programs and engines pass on.
_SAID = ("no space left on device", "disk quota exceeded")
# All that SFTP says; see `SftpFiles`.
_ASKED = "is its disk full?"
# What is written in one piece and is no image.
_ROOM = 1 << 20


def line(text: str) -> str:
    """The first line of a text that speaks of a full disk; empty when none does."""
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
    # Not the details: what a container printed says nothing about the host.
    said = error.message if isinstance(error, TowlineError) else ""
    said = said or str(getattr(error, "explanation", None) or error)
    if line(said):
        return full(host.name, line(said))
    if _ASKED in said:
        with suppress(OSError, TowlineError):
            if host.files.free_bytes(folder) < _ROOM:
                return full(host.name, f"nothing can be written to {folder}")
    return None
