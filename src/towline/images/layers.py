"""Which layers of an image an engine has, and about how big the others are."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from towline.errors import NoSuchObject

if TYPE_CHECKING:
    from docker import APIClient

_AT_ONCE = 6
# How the builder before BuildKit writes steps that run nothing.
_CLASSIC_BUILDER = "/bin/sh -c #(nop) "
# Instructions of a Dockerfile that change no file.
_DESCRIBES = frozenset({
    "ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "SHELL", "STOPSIGNAL", "USER", "VOLUME",
})  # fmt: skip


class Layers:
    """The layers that an engine has; each image is looked into once: its id names its content."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def known(self, target: APIClient, layers: Sequence[str]) -> int:
        """How many of an image's layers, from the lowest up, an engine has.

        Args:
            target: A client of the engine; always of the same one.
            layers: Diff ids, the lowest first.
        """
        with self._lock:
            there = {item["Id"] for item in target.images()}
            new = sorted(there - self._of.keys())
            if new:
                with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
                    found = pool.map(lambda image: _layers(target, image), new)
                    self._of.update(zip(new, found, strict=True))
            return max((_same(self._of[image], layers) for image in there), default=0)

    def missing(self, source: APIClient, target: APIClient, reference: str) -> dict[str, int]:
        """Layers of an image that an engine lacks, by their diff id, with their sizes in bytes.

        The sizes are those of the files; what travels is about that.
        """
        image = source.inspect_image(reference)
        layers = list(image["RootFS"].get("Layers") or [])
        known = self.known(target, layers)
        sizes = layer_sizes(source.history(reference))
        if len(sizes) != len(layers):
            sizes = [int(image["Size"]) // max(1, len(layers))] * len(layers)
        return dict(zip(layers[known:], sizes[known:], strict=True))


def layer_sizes(history: Sequence[Mapping[str, Any]]) -> list[int]:
    """Sizes of an image's layers in bytes, the lowest first, from what `docker history` says.

    It does not say which steps made a layer. A step that only describes the image made none; any
    other did, also an empty one, as `WORKDIR` of a folder that is there.
    """
    sizes = []
    for item in reversed(history):
        words = str(item.get("CreatedBy") or "").removeprefix(_CLASSIC_BUILDER).split()
        if item["Size"] or not words or words[0] not in _DESCRIBES:
            sizes.append(int(item["Size"]))
    return sizes


def _layers(engine: APIClient, image: str) -> tuple[str, ...]:
    try:
        return tuple(engine.inspect_image(image)["RootFS"].get("Layers") or ())
    except NoSuchObject:
        return ()  # removed since it was listed


def _same(have: Iterable[str], wanted: Iterable[str]) -> int:
    count = 0
    for one, other in zip(have, wanted, strict=False):
        if one != other:
            break
        count += 1
    return count
