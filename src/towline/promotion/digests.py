"""Digests of files, remembered from one promotion to the next, as Git's index remembers them.

A digest counts as long as size, times, inode and mode of its file are what they were: the very
test by which Git decides that it need not read a file, so nothing that `git status` would find
goes unseen. Only promotion uses this; the check before a deploy reads every file.

The memory lies in Git's own folder, so that no tree holds it and nothing need ignore it:

    "towline digests 1" and a line end
    SHA-256 of the rest, 32 bytes
    number of files, 8 bytes, little endian as all numbers here
    for each: size, mtime (ns), ctime (ns), inode, mode, 8 bytes each; SHA-256, 32 bytes
    their absolute paths, with NUL between

It is replaced as a whole. A damaged, older or missing one is an empty one.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from contextlib import suppress
from pathlib import Path

from towline.atomic import STAGING_PREFIX, replace_file

_MAGIC = b"towline digests 1\n"
_COUNT = struct.Struct("<q")
_ENTRY = struct.Struct("<qqqQQ32s")
# The racily clean entries of Git: a file that was written just before it was read may be written
# again without a change of its times. Two seconds are the coarsest times of any file system.
_DOUBT = 2_000_000_000

_Entry = tuple[int, int, int, int, int, bytes]


class Digests:
    """What is known of files without reading them.

    Attributes:
        file: Where it is kept; None keeps nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._kept = _read(file) if file else {}
        self._seen: dict[str, _Entry] = {}
        self._is_new = False
        self._trusted_before = time.time_ns() - _DOUBT

    def find(self, path: str, state: os.stat_result) -> str | None:
        """The digest of a file, in hexadecimal, if it is known.

        Args:
            path: Its absolute path.
            state: What `lstat` says of it now.
        """
        entry = self._kept.get(path)
        if entry is None or entry[:5] != _signature(state):
            return None
        self._seen[path] = entry
        return entry[5].hex()

    def learn(self, path: str, state: os.stat_result, digest: str) -> None:
        """Remember the digest of a file that was read, unless it was written just before.

        Args:
            path: Its absolute path.
            state: What `fstat` said of it before it was read.
            digest: SHA-256, in hexadecimal.
        """
        if state.st_ctime_ns < self._trusted_before:
            self.learn_own(path, state, digest)

    def learn_own(self, path: str, state: os.stat_result, digest: str) -> None:
        """Remember the digest of a file that nobody else could have written since.

        Args:
            path: Its absolute path.
            state: What `fstat` said of it after it was written.
            digest: SHA-256, in hexadecimal.
        """
        self._kept[path] = self._seen[path] = (*_signature(state), bytes.fromhex(digest))
        self._is_new = True

    def save(self) -> None:
        """Keep what was asked for or learnt; failing to do so only costs time."""
        if self.file is None or not self._is_new:
            return
        body = b"".join(
            (
                _COUNT.pack(len(self._seen)),
                *(_ENTRY.pack(*entry) for entry in self._seen.values()),
                "\0".join(self._seen).encode(errors="surrogateescape"),
            )
        )
        with suppress(OSError):
            self.file.parent.mkdir(exist_ok=True)
            for left in self.file.parent.glob(f"{STAGING_PREFIX}*"):
                left.unlink()
            replace_file(self.file, _MAGIC + hashlib.sha256(body).digest() + body, durable=False)
            self._is_new = False


def open_digests(root: Path) -> Digests:
    """The memory of the Git repository at `root`; outside of Git nothing is remembered."""
    place = root / ".git"
    with suppress(OSError, UnicodeDecodeError):
        if place.is_file():
            # A linked working tree or a submodule: "gitdir: PATH".
            place = root / place.read_text().removeprefix("gitdir: ").strip()
    return Digests(place / "towline" / "digests" if place.is_dir() else None)


def _signature(state: os.stat_result) -> tuple[int, int, int, int, int]:
    return (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_mode)


def _read(file: Path) -> dict[str, _Entry]:
    start = len(_MAGIC) + hashlib.sha256().digest_size
    try:
        data = file.read_bytes()
        body = memoryview(data)[start:]
        if data[:start] != _MAGIC + hashlib.sha256(body).digest():
            return {}
        (count,) = _COUNT.unpack_from(body)
        end = _COUNT.size + count * _ENTRY.size
        names = bytes(body[end:]).decode(errors="surrogateescape").split("\0")
        return dict(zip(names, _ENTRY.iter_unpack(body[_COUNT.size : end]), strict=True))
    except (OSError, ValueError, struct.error):
        return {}
