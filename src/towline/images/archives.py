"""Images as `docker save` writes them: saved once for all hosts that want one, thinned for each.

The archive's format: moby, `image/spec/spec.md`; newer engines write an OCI layout beside it, with
the same `manifest.json`.
"""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from towline.errors import DiskFull

if TYPE_CHECKING:
    from docker import APIClient

_CHUNK = 1 << 18
# Two empty blocks end an archive; source: POSIX, `pax`, ustar interchange format.
_BLOCK = 512
_END = bytes(2 * _BLOCK)


@dataclass(frozen=True)
class Thinned:
    """An archive without some of its layers.

    Attributes:
        left_out: How many layers are not in it.
        size: Bytes.
    """

    left_out: int
    size: int
    _file: IO[bytes]
    _ranges: tuple[tuple[int, int], ...]

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, straight from the whole archive; threads may read at the same time."""
        number = self._file.fileno()
        for start, end in self._ranges:
            for place in range(start, end, _CHUNK):
                yield os.pread(number, min(_CHUNK, end - place), place)
        yield _END


class Archive:
    """An archive of `docker save`.

    Args:
        file: A real file that holds it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as full:
            text = full.extractfile("manifest.json")
            assert text is not None  # noqa: S101 - every archive of docker save has it
            self._layers = [image["Layers"] for image in json.load(text)]
            self._members = full.getmembers()

    def close(self) -> None:
        """Drop it; nothing can be read from it any more."""
        self._file.close()

    def without(self, count: int) -> Thinned:
        """The archive without the files of its lowest layers."""
        paths = {path for layers in self._layers for path in layers[:count]}
        wanted = {path for layers in self._layers for path in layers[count:]}
        # In older archives, a layer that occurs twice is a link to its first place.
        linked = {_target(item) for item in self._members if item.issym() and item.name in wanted}
        skipped = paths - wanted - linked
        ranges = tuple(
            (item.offset, item.offset_data + -(-item.size // _BLOCK) * _BLOCK)
            for item in self._members
            if item.name not in skipped
        )
        size = sum(end - start for start, end in ranges) + len(_END)
        return Thinned(len(skipped), size, self._file, ranges)


@dataclass
class _Saving:
    hosts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    archive: Archive | None = None


@dataclass
class Archives:
    """Images of an engine, each saved when it is first wanted and dropped when it last was.

    Attributes:
        source: A client of the engine.
    """

    source: APIClient
    _saved: dict[str, _Saving] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, reference: str) -> None:
        """Say that one host more will want an image, and say `done` for it."""
        with self._lock:
            self._saved.setdefault(reference, _Saving()).hosts += 1

    def get(self, reference: str) -> Archive:
        """An image that was expected; the first who asks saves it, others wait.

        Raises:
            TowlineError: When this machine has no room for it.
            EngineRefused: When the engine refuses.
        """
        saving = self._saved[reference]
        with saving.lock:
            if saving.archive is None:
                saving.archive = self._save(reference)
            return saving.archive

    def _save(self, reference: str) -> Archive:
        with ExitStack() as unless_whole:
            file = unless_whole.enter_context(tempfile.TemporaryFile())
            for chunk in self.source.get_image(reference, _CHUNK):
                try:
                    file.write(chunk)
                    file.flush()
                except OSError as error:
                    # Each host that waits for the image would be blamed for it.
                    raise DiskFull(
                        f"this machine cannot save {reference}: {error.strerror}",
                        remedy=f"free space in {tempfile.gettempdir()}, or set TMPDIR to another "
                        "folder",
                    ) from None
            archive = Archive(file)
            unless_whole.pop_all()
        return archive

    def done(self, reference: str) -> None:
        """Say that one host has an image."""
        with self._lock:
            saving = self._saved[reference]
            saving.hosts -= 1
            if not saving.hosts:
                del self._saved[reference]
                if saving.archive is not None:
                    saving.archive.close()


def _target(link: tarfile.TarInfo) -> str:
    folder = link.name.rpartition("/")[0].split("/")
    for word in link.linkname.split("/"):
        folder = folder[:-1] if word == ".." else [*folder, word]
    return "/".join(folder)
