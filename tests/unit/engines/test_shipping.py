"""Archives of images without some of their layers."""

import io
import json
import tarfile

from towline.engines.shipping import without_layers


def archive(layers, links=()):
    """An archive as `docker save` writes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
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
    buffer.seek(0)
    return buffer


def thinned(full, count):
    target = io.BytesIO()
    left_out = without_layers(full, target, count)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        return left_out, tar.getnames()


def test_the_lowest_layers_are_left_out():
    full = archive({"a/layer.tar": b"1", "b/layer.tar": b"2", "c/layer.tar": b"3"})
    assert thinned(full, 2) == (2, ["manifest.json", "c/layer.tar"])


def test_a_layer_that_a_wanted_one_links_to_stays():
    full = archive(
        {"a/layer.tar": b"1", "b/layer.tar": b"2", "c/layer.tar": None},
        links=[("c/layer.tar", "../a/layer.tar")],
    )
    assert thinned(full, 2) == (1, ["manifest.json", "a/layer.tar", "c/layer.tar"])
