"""Whether a process is dead, where that can be known for sure.

A process number means something in one boot of one machine and one namespace of processes only: two
laptops have the same name, and so have the containers of a CI service.
"""

import os
import uuid
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_MADE_UP = 1 << 40


def here() -> str:
    """What tells this machine's process numbers from all others; empty where nothing does."""
    try:
        return f"{_BOOT.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:
        # Not Linux. Without a network card the number is made up, and new in each process.
        node = uuid.getnode()
        return "" if node & _MADE_UP else f"{node:012x}"


def is_dead(where: str, pid: int) -> bool:
    """Whether a process that noted `here()` has ended; False when nobody can tell."""
    if not where or where != here():
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        # Another user's process is there, though it cannot be signalled.
        return isinstance(error, ProcessLookupError)
    return False
