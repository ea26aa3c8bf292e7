"""When traffic last moved, told from journals as deploys, aborts and failures write them."""

from dataclasses import dataclass

import pytest

from towline.rollout.since import since

NOW = "2026-01-01T00:00:{:02d}+00:00"


@dataclass
class Live:
    id: str


def entry(event, step="", second=0, **data):
    return {"event": event, "step": step, "at": NOW.format(second), "data": data}


def deploy(release, before, second):
    return [
        entry("begin", kind="deploy", release=release, before=before),
        entry("intent", "switch"),
        entry("outcome", "switch", second, ok=True),
        entry("end", ok=True),
    ]


def killed(release, before, step):
    steps = [
        entry("intent", "start"),
        entry("outcome", "start", ok=True),
        entry("intent", "switch"),
    ]
    return [
        entry("begin", kind="deploy", release=release, before=before),
        *steps[: 1 if step else 3],
    ]


def abort(release, before, second, ok=True):
    return [
        entry("begin", kind="abort", release=release, before=before),
        entry("intent", "restore"),
        entry("outcome", "restore", second, ok=ok),
    ]


def failed(release, before, second, *, switched):
    found = [entry("begin", kind="deploy", release=release, before=before)]
    if switched:
        found += [entry("intent", "switch"), entry("outcome", "switch", second - 1, ok=True)]
    return [*found, entry("intent", "restore"), entry("outcome", "restore", second, ok=True)]


FIRST = deploy("1", "", 5)


@pytest.mark.parametrize(
    ("operations", "live", "second"),
    [
        ([FIRST], "1", 5),
        ([FIRST, deploy("2", "1", 10)], "2", 10),
        # An abort before the switch moved nothing; one after it moved traffic back.
        ([FIRST, killed("2", "1", "start"), abort("2", "1", 20)], "1", 5),
        ([FIRST, killed("2", "1", ""), abort("2", "1", 20)], "1", 20),
        (
            [FIRST, killed("2", "1", ""), abort("2", "1", 18, ok=False), abort("2", "1", 20)],
            "1",
            20,
        ),
        ([FIRST, failed("2", "1", 30, switched=False)], "1", 5),
        ([FIRST, failed("2", "1", 30, switched=True)], "1", 30),
        # What failed after its switch serves no more, and its switch does not count later.
        ([FIRST, failed("2", "1", 30, switched=True), deploy("2", "1", 40)], "2", 40),
        ([[entry("begin", kind="migrate", release="1", before="1")]], "1", None),
    ],
)
def test_since(operations, live, second):
    found = since(reversed(operations), Live(live))
    assert (found.at if found else None) == (NOW.format(second) if second else None)


def test_nothing_is_live():
    assert since([FIRST], None) is None
