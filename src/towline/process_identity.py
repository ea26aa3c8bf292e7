"""Whether a process is dead, where that can be known for sure.

A process number means something in one boot of one machine and one namespace of processes only: two
laptops have the same name, and so have the containers of a CI service.
"""

import os
import subprocess
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


def started(pid: int) -> str:
    """When a process of this machine began, in whatever form; empty when there is none.

    A number is given to another process some time after its own has ended.
    """
    try:
        # The name in it may hold spaces and brackets; the 22nd field is the start, in clock ticks.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self").exists():
        return ""
    argv = ["ps", "-o", "lstart=", "-p", str(pid)]
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
