"""Rolling: batch after batch, within what may be missing and what may be there too much."""

import pytest
from canaries import begin, builder
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from test_interrupted import kill, serving

from towline.config.deploy_sections import Rollout
from towline.config.progressive import part_of
from towline.environments.host_environment import Fleet
from towline.errors import CheckFailed, RolledBack, UsageError
from towline.progress import Silent
from towline.rollout import interrupted, operations
from towline.rollout.executor import Executor
from towline.rollout.schedules import find_strategies
from towline.rollout.stages import Replicas, StrategySettings
from towline.state.journal import unfinished

quick = hypothesis_settings(deadline=None, max_examples=200)
counts = st.dictionaries(st.sampled_from(["api", "web", "admin"]), st.integers(1, 12), min_size=1)
amounts = st.one_of(st.integers(0, 13), st.integers(0, 100).map(lambda part: f"{part}%"))


def settings_of(**rolling):
    return StrategySettings(Rollout(bake_time=0, rolling=rolling))


def schedule(wanted, **rolling):
    return find_strategies()["rolling"].stages(wanted, settings_of(**rolling))


def told(stages):
    return [(s.name, s.new.get("api", 0), s.old.get("api", 0), s.share) for s in stages]


def test_by_default_a_quarter_is_replaced_at_once_and_nothing_is_missing():
    assert told(schedule(Replicas({"api": 8}, {"api": 8}))) == [
        ("start", 2, 8, 0),
        ("rolling-1", 2, 6, 25),
        ("rolling-2", 4, 4, 50),
        ("rolling-3", 6, 2, 75),
        ("switch", 8, 2, 100),
        ("finish", 8, 0, 100),
    ]


def test_a_single_container_gets_one_beside_it():
    stages = schedule(Replicas({"api": 1}, {"api": 1}))
    assert told(stages) == [("start", 1, 1, 0), ("switch", 1, 1, 100), ("finish", 1, 0, 100)]


def test_without_a_surge_the_old_ones_make_room():
    assert told(schedule(Replicas({"api": 3}, {"api": 3}), max_surge=0, max_unavailable=1)) == [
        ("rolling-room", 0, 2, 0),
        ("start", 1, 2, 0),
        ("rolling-1", 1, 1, 50),
        ("rolling-2", 2, 1, 67),
        ("switch", 2, 1, 100),
        ("finish", 2, 0, 100),
        ("rolling-fill", 3, 0, 100),
    ]


def test_a_single_container_without_a_surge_is_told_what_to_do():
    with pytest.raises(UsageError, match="no room for a second container of api") as error:
        schedule(Replicas({"api": 1}, {"api": 1}), max_surge=0, max_unavailable=1)
    assert "`rollout.rolling.max_surge: 1`" in error.value.remedy


def test_percentages_are_rounded_as_kubernetes_does():
    assert [part_of("25%", 10, up=True), part_of("25%", 10, up=False)] == [3, 2]
    assert [part_of("25%", 1, up=True), part_of("25%", 1, up=False), part_of(7, 1, up=True)] == [
        1, 0, 7,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_surge": 0, "max_unavailable": "0%"}, "are both 0: no container could be replaced"),
        ({"batch": "many"}, "neither a number of containers nor a percentage"),
        ({"max_surge": "101%"}, "neither a number of containers nor a percentage"),
        ({"max_surge": -1}, "neither a number of containers nor a percentage"),
    ],
)
def test_limits_that_are_none_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        Rollout(rolling=given)


def moments(stages, old):
    """New and old containers at every moment of a schedule, and the share in force."""
    now = ({}, old, 0)
    for stage in stages:
        grown = {**now[0], **stage.new}
        yield (grown, now[1], now[2])
        yield (grown, now[1], stage.share)
        now = (stage.new, stage.old, stage.share)
        yield now


@quick
@given(counts, counts, amounts, amounts, amounts)
def test_never_too_few_serve_and_never_too_many_run(new, old, batch, surge, missing):
    if {surge, missing} <= {0, "0%"}:
        missing = 1
    given_ = {"batch": batch, "max_surge": surge, "max_unavailable": missing}
    replicas = Replicas(new, old)
    try:
        stages = schedule(replicas, **given_)
    except UsageError:
        assert surge in (0, "0%")
        return
    least = find_strategies()["rolling"].capacity(replicas, settings_of(**given_))
    assert len({stage.name for stage in stages}) == len(stages)
    assert [s.share for s in stages] == sorted(s.share for s in stages)
    for new_now, old_now, share in moments(stages, old):
        for name in new.keys() & old.keys():
            runs = new_now.get(name, 0) + old_now.get(name, 0)
            assert runs <= max(new[name], old[name]) + part_of(surge, new[name], up=True)
            serves = (new_now.get(name, 0) if share else 0) + (
                old_now.get(name, 0) if share < 100 else 0
            )
            assert serves >= least[name]
            assert 0 in (share, 100 - share) or (new_now.get(name) and old_now.get(name))


@pytest.fixture
def make(tmp_path, monkeypatch):
    return builder(tmp_path, monkeypatch)


@pytest.mark.parametrize("way", ["resume", "abort"])
def test_killed_at_every_entry_it_is_resumed_or_aborted(make, monkeypatch, way):
    shared = 0
    for entry in range(1, 60):
        site = make(entry, strategy="rolling", replicas=3, batch=1, max_surge=1)
        site.engine.replicas = {("blue", "api"): 3}
        if not kill([begin(site)], monkeypatch, entry, after=True):
            break
        fleet = Fleet((site,))
        left = interrupted.found(fleet)
        if left is None:
            continue
        shared += len(site.engine.shares) == 2
        operation = getattr(operations, way)(fleet)
        if operation.plan.nothing_to_do:
            interrupted.close(fleet, left)
        else:
            operation.run(Silent())
        assert serving(site) == ("1.0.1" if way == "resume" else "1.0.0"), entry
        slot = "green" if way == "resume" else "blue"
        assert site.engine.replicas[slot, "api"] == 3
        assert unfinished(site.journal.entries()) is None
    assert shared >= 4


def test_workers_are_handed_over_once_at_the_switch(make):
    site = make(strategy="rolling", replicas=3, batch=1, max_surge=1)
    site.engine.replicas = {("blue", "api"): 3}
    Executor([begin(site)], Silent()).run()
    calls = site.engine.calls
    moved = calls.index("start 1.0.1 worker")
    assert calls.index("route {'blue': 33, 'green': 67}") < moved
    assert moved < calls.index("route {'green': 100}")


def rolled(site):
    """What runs at every act: containers of both slots, the most of them, and the least served."""
    engine, seen = site.engine, {"most": 0, "least": 99}
    check = engine._check

    def running(slot):
        _, runs = engine.containers.get((slot, "api"), ("", False))
        return engine.replicas.get((slot, "api"), 1) if runs else 0

    def checked():
        check()
        both = [running(slot) for slot in ("blue", "green")]
        serving = sum(running(slot) for slot, share in engine.shares.items() if share)
        seen["most"] = max(seen["most"], sum(both))
        seen["least"] = min(seen["least"], serving)

    engine._check = checked
    return seen


@pytest.mark.parametrize("failing", [33, 50, 67, 100])
def test_a_way_back_has_no_room_for_two_sets_either(make, failing):
    site = make(failing, strategy="rolling", replicas=6, batch=2, max_surge=1)
    site.engine.replicas = {("blue", "api"): 6}
    seen = rolled(site)
    wanted = {"blue": 100 - failing, "green": failing}
    wanted = {slot: share for slot, share in wanted.items() if share}
    site.engine.fail_on = {f"route {wanted}"}
    with pytest.raises(RolledBack, match=r"1\.0\.0 serves all traffic"):
        Executor([begin(site)], Silent()).run()
    assert serving(site) == "1.0.0"
    assert site.engine.replicas["blue", "api"] == 6
    assert seen["most"] <= 7
    assert seen["least"] >= 3


def test_a_rollback_goes_back_in_batches_and_is_resumed_there(make, monkeypatch):
    shared = 0
    for entry in range(1, 60):
        site = make(f"back-{entry}", strategy="rolling", replicas=4, batch=1, max_surge=1)
        site.engine.replicas = {("blue", "api"): 4}
        Executor([begin(site)], Silent()).run()
        site.engine.calls.clear()
        seen = rolled(site)
        parts = operations.rollback(Fleet((site,)), keep_schema=True).parts
        killed = kill(parts, monkeypatch, entry, after=True)
        fleet = Fleet((site,))
        left = interrupted.found(fleet)
        if killed and left is None:
            continue
        if left:
            is_shared = len(site.engine.shares) == 2
            shared += is_shared
            if is_shared:
                with pytest.raises(CheckFailed, match=r"rollback 1\.0\.0 was interrupted"):
                    operations.rollback(fleet, keep_schema=True)
            operation = operations.resume(fleet)
            if operation.plan.nothing_to_do:
                interrupted.close(fleet, left)
            else:
                operation.run(Silent())
        assert serving(site) == "1.0.0"
        assert (seen["most"], seen["least"] >= 4) == (5, True), entry
        if not killed:
            break
    assert shared >= 4
