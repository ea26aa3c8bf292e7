"""Read a file once, for its digest and for its copy."""

from __future__ import annotations

import hashlib
import os
import threading

_SIZE = 1 << 20
# A file that became a link or a pipe meanwhile is neither followed nor waited for.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_OF_THREAD = threading.local()


def digest(path: str) -> tuple[str, os.stat_result]:
    """SHA-256 of a file's content in hexadecimal, and its state before it was read.

    Raises:
        OSError: When it cannot be read, or is a symbolic link.
    """
    source = os.open(path, _READ)
    try:
        state = os.fstat(source)
        return _pump(source, None), state
    finally:
        os.close(source)


def copy(path: str, place: str, mode: int) -> tuple[str, os.stat_result]:
    """Copy a file's content to a new file.

    What is hashed is what is written, from the same memory: there is no need to read the copy.

    Args:
        path: The file.
        place: The new file; nothing may be there.
        mode: Its permissions.

    Returns:
        SHA-256 of the content in hexadecimal, and the state of the new file.

    Raises:
        OSError: When one cannot be read or the other not be written.
    """
    source = os.open(path, _READ)
    try:
        return _written(place, mode, source)
    finally:
        os.close(source)


def _written(place: str, mode: int, source: int) -> tuple[str, os.stat_result]:
    target = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        found = _pump(source, target)
        # The umask may have taken bits away.
        os.fchmod(target, mode)
        return found, os.fstat(target)
    finally:
        os.close(target)


def _pump(source: int, target: int | None) -> str:
    memory = _memory()
    hasher = hashlib.sha256()
    while read := os.readv(source, [memory]):
        part = memory[:read]
        hasher.update(part)
        while target is not None and part:
            part = part[os.write(target, part) :]
    return hasher.hexdigest()


def _memory() -> memoryview:
    """A thread's own buffer: to make one for each of ten thousand files takes long."""
    if not hasattr(_OF_THREAD, "memory"):
        _OF_THREAD.memory = memoryview(bytearray(_SIZE))
    memory: memoryview = _OF_THREAD.memory
    return memory
