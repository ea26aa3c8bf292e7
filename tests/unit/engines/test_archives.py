"""Archives of images: thinned for each host, saved once for all of them."""

import errno
import io
import json
import tarfile
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from towline.errors import TowlineError
from towline.images.archives import Archive, Archives

LAYERS = {"a/layer.tar": b"1" * 700, "b/layer.tar": b"2" * 512, "c/layer.tar": b"3" * 900_000}


def archive(layers, links=(), kind=tarfile.GNU_FORMAT):
    """What `docker save` writes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as tar:
        for name, data in {
            "manifest.json": json.dumps([{"Layers": list(layers)}]).encode(),
            **{path: content for path, content in layers.items() if content is not None},
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return buffer.getvalue()


@pytest.fixture
def thinned():
    """Thins an archive; returns how many layers were left out, and the files that are in it."""
    with tempfile.TemporaryFile() as file:

        def thin(data, count):
            file.write(data)
            found = Archive(file).without(count)
            sent = b"".join(found.chunks())
            assert len(sent) == found.size
            with tarfile.open(fileobj=io.BytesIO(sent)) as tar:
                files = {item.name: tar.extractfile(item).read() for item in tar if item.isreg()}
                names = tar.getnames()
            assert all(files[name] == LAYERS[name] for name in files if name in LAYERS)
            return found.left_out, names

        yield thin


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_lowest_layers_are_left_out(thinned, kind):
    assert thinned(archive(LAYERS, kind=kind), 2) == (2, ["manifest.json", "c/layer.tar"])


def test_with_none_of_them_left_out_it_is_whole(thinned):
    assert thinned(archive(LAYERS), 0) == (0, ["manifest.json", *LAYERS])


def test_names_too_long_for_a_header_are_kept(thinned):
    long = "d" * 150 + "/layer.tar"
    data = archive({"a/layer.tar": b"1" * 700, long: b"4"}, kind=tarfile.PAX_FORMAT)
    assert thinned(data, 1) == (1, ["manifest.json", long])


def test_a_layer_that_a_wanted_one_links_to_stays(thinned):
    full = archive(
        {"a/layer.tar": LAYERS["a/layer.tar"], "b/layer.tar": b"2" * 512, "c/layer.tar": None},
        links=[("c/layer.tar", "../a/layer.tar")],
    )
    assert thinned(full, 2) == (1, ["manifest.json", "a/layer.tar", "c/layer.tar"])


class Engine:
    """An engine that has images and counts how often one is saved."""

    def __init__(self):
        self.saved, self.broken = [], False

    def get_image(self, reference, size):
        self.saved.append(reference)
        yield archive(LAYERS)[: 600 if self.broken else None]
        if self.broken:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_an_image_is_saved_once_for_all_hosts_and_dropped_after_the_last():
    engine = Engine()
    archives = Archives(engine)
    hosts = 8
    for _ in range(hosts):
        archives.expect("shop:1.0.0")
    together = threading.Barrier(hosts)

    def host(number):
        together.wait()
        thin = archives.get("shop:1.0.0").without(number % 3)
        sent = b"".join(thin.chunks())
        archives.done("shop:1.0.0")
        with tarfile.open(fileobj=io.BytesIO(sent)) as tar:
            return len(tar.getnames())

    with ThreadPoolExecutor(hosts) as pool:
        assert list(pool.map(host, range(hosts))) == [4 - number % 3 for number in range(hosts)]
    assert engine.saved == ["shop:1.0.0"]
    archives.expect("shop:1.0.0")
    archives.get("shop:1.0.0")
    assert engine.saved == ["shop:1.0.0"] * 2


def test_what_could_not_be_saved_is_tried_again_by_the_next_host():
    engine = Engine()
    archives = Archives(engine)
    for _ in range(2):
        archives.expect("shop:1.0.0")
    engine.broken = True
    with pytest.raises(OSError, match="No space left"):
        archives.get("shop:1.0.0")
    engine.broken = False
    assert archives.get("shop:1.0.0").without(3).left_out == 3


def test_a_full_disk_of_this_machine_is_blamed_on_no_host(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(Path("/dev/full").open, "w+b"))
    archives = Archives(Engine())
    archives.expect("shop:1.0.0")
    with pytest.raises(TowlineError, match="this machine cannot save") as error:
        archives.get("shop:1.0.0")
    assert "No space left" in error.value.message
    assert "TMPDIR" in error.value.remedy
