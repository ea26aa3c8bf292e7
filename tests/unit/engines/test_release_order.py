"""Which release is older is told by numbers given under the lock, never by laptops' clocks."""

import json
from itertools import permutations

import pytest
from fakes import FakeHostEnvironment, release

from towline.errors import TowlineError, UsageError
from towline.rollout.host_parts import find_previous
from towline.rollout.retention import surplus
from towline.state.releases import ReleaseStore, Status

# Three operators; the clock of one is an hour ahead, of another a day behind.
CLOCKS = ["2026-01-02T13:00:00", "2026-01-01T12:00:01", "2026-01-02T12:00:02"]


@pytest.fixture
def site(tmp_path):
    return FakeHostEnvironment(tmp_path)


@pytest.mark.parametrize("clocks", [*permutations(CLOCKS)])
def test_a_rollback_goes_to_the_release_before_whatever_clocks_say(site, clocks):
    for version, clock in zip(("1.0.0", "1.0.1", "1.0.2"), clocks, strict=True):
        live = site.serve(site.keep(version, created=clock))
    store = ReleaseStore(site.host.files, site.state)
    assert [item.id for item in store.all()] == ["1.0.0", "1.0.1", "1.0.2"]
    site.store = store
    assert find_previous(site, live).id == "1.0.1"
    assert find_previous(site, store.get("1.0.1")).id == "1.0.0"
    with pytest.raises(UsageError, match="no good release"):
        find_previous(site, store.get("1.0.0"))


@pytest.mark.parametrize("clocks", [*permutations(CLOCKS)])
@pytest.mark.parametrize("keep", [1, 2, 3])
def test_retention_drops_the_oldest_and_never_the_live_one(site, clocks, keep):
    for version, clock in zip(("1.0.0", "1.0.1", "1.0.2"), clocks, strict=True):
        site.store.mark(site.keep(version, created=clock), Status.GOOD)
    gone = [item.id for item in surplus(site.store.all(), keep, {"1.0.2"})]
    assert gone == ["1.0.0", "1.0.1"][: 3 - keep]
    # Whoever rolled back to the oldest keeps it.
    assert "1.0.0" not in [item.id for item in surplus(site.store.all(), keep, {"1.0.0"})]


def test_records_without_a_number_are_older_and_sorted_by_their_time(site):
    for version, clock in (("1.0.0", CLOCKS[1]), ("1.0.1", CLOCKS[2])):
        path = site.keep(version, created=clock).folder / "release.json"
        data = json.loads(path.read_text())
        del data["number"]
        path.write_text(json.dumps(data))
    store = ReleaseStore(site.host.files, site.state)
    store.add(release("1.0.2", site.folder, created="2020-01-01T00:00:00"), {})
    again = ReleaseStore(site.host.files, site.state)
    assert [(item.id, item.number) for item in again.all()] == [
        ("1.0.0", 0),
        ("1.0.1", 0),
        ("1.0.2", 1),
    ]


def test_a_mark_keeps_the_number(site):
    site.keep("1.0.0")
    kept = site.keep("1.0.1")
    site.store.mark(kept, Status.BAD, "x")
    assert ReleaseStore(site.host.files, site.state).get("1.0.1").number == 2


CHANGES = [
    ({"services": {"web": {"role": "cron"}}}, r"services\.web\.role: .*newer Towline"),
    ({"services": {"web": {"replicate": 3}}}, r"services\.web\.replicate"),
    ({"services": []}, "`services` is no mapping"),
    ({"services": {"web": "app"}}, "`services` is no mapping"),
    ({"images": {"web": 3}}, "`images` is no mapping"),
    ({"version": 1}, "`version` is no text: 1"),
    ({"replicas": "many"}, "`replicas` is no number"),
    ({"number": True}, "`number` is no number"),
    ({"created": None}, "`created` is no text"),
    ({"status": "superb"}, "superb"),
    ({"migrations": 7}, "`migrations` is no record"),
]


@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_a_record_with_wrong_content_is_named_with_what_to_do(site, change, says):
    path = site.keep("1.0.0").folder / "release.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(TowlineError, match=says) as error:
        ReleaseStore(site.host.files, site.state).all()
    assert str(path) in error.value.message
    assert "deploy that version again" in error.value.remedy


@pytest.mark.parametrize("text", ["null", "[]", "{", '"x"', "{}", "\x00", "[" * 50_000])
def test_a_record_that_is_none_is_named(site, text):
    path = site.keep("1.0.0").folder / "release.json"
    path.write_text(text)
    with pytest.raises(TowlineError, match=r"release\.json cannot be read"):
        ReleaseStore(site.host.files, site.state).get("1.0.0")


def test_what_a_newer_version_adds_to_a_record_is_left_out(site):
    kept = site.keep("1.0.0")
    path = kept.folder / "release.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "mauve"}))
    assert ReleaseStore(site.host.files, site.state).get("1.0.0") == kept
