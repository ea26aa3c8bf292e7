"""Which layers an image has and how big they are, and archives without some of them."""

import io
import json
import tarfile

from towline.engines.shipping import layer_sizes, without_layers


def step(created_by, size=0):
    return {"CreatedBy": created_by, "Size": size}


def test_sizes_of_a_buildkit_image_with_an_empty_layer():
    newest_first = [
        step('CMD ["python3"]'),
        step("EXPOSE map[8000/tcp:{}]"),
        step("USER 10001"),
        step("COPY src ./src # buildkit", 19),
        step("WORKDIR /app"),
        step("RUN /bin/sh -c true # buildkit"),
        step("ENV PATH=/opt/venv/bin"),
        step("", 500),
    ]
    assert layer_sizes(newest_first) == [500, 0, 0, 19]


def test_sizes_of_an_image_of_the_older_builder():
    newest_first = [
        step('/bin/sh -c #(nop)  CMD ["bash"]'),
        step("/bin/sh -c #(nop)  ENV A=b"),
        step("/bin/sh -c #(nop) COPY dir:1 in /app", 7),
        step("/bin/sh -c apt-get install x", 40),
        step("/bin/sh -c #(nop) ADD file:2 in /", 300),
    ]
    assert layer_sizes(newest_first) == [300, 40, 7]


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
