"""The shapes of what commands print as JSON: keys and kinds of values, no values."""

import json
from pathlib import Path

SHAPES = json.loads(Path(__file__).with_name("json_shapes.json").read_text())
_KINDS = {str: "text", int: "number", float: "number", bool: "flag", type(None): "null"}


def assert_shape(data):
    """Fail where data is not as its schema says, naming the place."""
    wrong = list(_differences(data, SHAPES[data["schema"]], data["schema"]))
    assert not wrong, "\n".join(wrong)


def _differences(data, shape, place):
    if isinstance(shape, str):
        kind = _KINDS.get(type(data), type(data).__name__)
        if kind not in shape.split("|") and shape != "any":
            yield f"{place} is {kind}, and not {shape}"
    elif isinstance(shape, list):
        if not isinstance(data, list):
            yield f"{place} is no list"
            return
        for number, item in enumerate(data):
            yield from _differences(item, shape[0], f"{place}[{number}]")
    elif not isinstance(data, dict):
        if data is not None or "null" not in shape:
            yield f"{place} is no object"
    else:
        yield from _fields(data, shape, place)


def _fields(data, shape, place):
    if "*" in shape:
        for name, item in data.items():
            yield from _differences(item, shape["*"], f"{place}.{name}")
        return
    known = {name.rstrip("?"): inner for name, inner in shape.items() if name != "null"}
    needed = {name for name in shape if not name.endswith("?") and name != "null"}
    yield from (f"{place}.{name} is missing" for name in sorted(needed - data.keys()))
    yield from (f"{place}.{name} is not known" for name in sorted(data.keys() - known.keys()))
    for name in data.keys() & known.keys():
        yield from _differences(data[name], known[name], f"{place}.{name}")
