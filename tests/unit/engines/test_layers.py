"""Which layers an engine has, and how big the others are."""

from towline.errors import NoSuchObject
from towline.images.layers import Layers, layer_sizes


class Engine:
    """Images by id, and how often each was looked into."""

    def __init__(self, **images):
        self.found = images
        self.asked = []

    def images(self):
        return [{"Id": image} for image in self.found]

    def inspect_image(self, image):
        self.asked.append(image)
        layers = self.found[image]
        if layers == "gone":
            raise NoSuchObject(image)
        return {"RootFS": {"Layers": layers}, "Size": 90}

    def history(self, image):
        return [step("RUN x", 5 * len(layer)) for layer in reversed(self.found[image])]


def test_the_lowest_layers_that_any_image_has_are_known():
    engine = Engine(one=["a", "b", "x"], two=["a"], three=["b", "c"], four="gone", five=None)
    layers = Layers()
    assert layers.known(engine, ["a", "b", "c"]) == 2
    assert layers.known(engine, ["b", "c"]) == 2
    assert layers.known(engine, ["z"]) == 0
    # Their ids name their content: nothing is asked twice.
    assert sorted(engine.asked) == sorted(engine.found)
    engine.found = {"six": ["z"]}
    assert layers.known(engine, ["z"]) == 1
    assert layers.known(engine, ["a"]) == 0


def test_what_is_missing_and_how_big_it_is():
    source = Engine(app=["a", "bb", "ccc"])
    assert Layers().missing(source, Engine(base=["a"]), "app") == {"bb": 10, "ccc": 15}
    assert Layers().missing(source, source, "app") == {}


def test_where_the_history_does_not_tell_the_size_is_shared_out():
    source = Engine(app=["a", "b", "c"])
    source.history = lambda image: [step("COPY", 9)]
    assert Layers().missing(source, Engine(), "app") == {"a": 30, "b": 30, "c": 30}


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
