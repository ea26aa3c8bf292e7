"""Folders for a moment, closed to others: they may hold every secret of an environment.

Their names say which process made them, so that what a killed one left behind is removed by the
next one.
"""

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from towline.process_identity import here, is_dead

_NAME = re.compile(r"towline-(?P<where>[0-9a-f]{8})-(?P<pid>\d+)-\w+")
# Of another boot, or of a container that shares the folder, nobody can tell whether it lives.
_OLD = 86400.0


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder (0700) that is gone when the body ends.

    What processes of this user left there that were killed is removed first.
    """
    for left in _stale():
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"towline-{_where()}-{os.getpid()}-") as made:
        yield Path(made)


def _where() -> str:
    return hashlib.sha256(here().encode()).hexdigest()[:8]


def _stale() -> Iterator[Path]:
    with os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if match and _is_stale(entry, match["where"], int(match["pid"])):
                yield Path(entry.path)


def _is_stale(entry: os.DirEntry[str], where: str, pid: int) -> bool:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    if found.st_uid != os.getuid() or not entry.is_dir(follow_symlinks=False):
        return False
    if where == _where():
        return is_dead(here(), pid)
    return time.time() - found.st_mtime > _OLD
