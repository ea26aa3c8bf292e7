import json

import pytest
from fakes import FakeHostEnvironment, release
from hypothesis import given
from hypothesis import strategies as st
from test_executor import candidate, deploy_plan

from towline.config.deploy_sections import Rollout
from towline.environments.host_environment import Fleet
from towline.errors import UsageError
from towline.rollout import down, operations
from towline.rollout.planner import Baseline, Transfer, changes, fingerprint
from towline.rollout.retention import surplus
from towline.state.releases import Status


def test_a_first_deploy_has_nothing_to_stop(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    plan = deploy_plan(site, release("1.0.0", tmp_path), retained=None, to_build=("api",),
                       to_pull=(Transfer("postgres:16"),))  # fmt: skip
    names = [step.name for step in plan.steps]
    assert names == [
        "build",
        "pull",
        "prepare",
        "reconcile",
        "migrate",
        "start",
        "switch",
        "finalize",
    ]
    assert (plan.slot, plan.old_slot, plan.live) == ("blue", None, "")
    text = "\n".join(plan.lines())
    assert "live now   nothing" in text
    assert "$ docker pull postgres:16" in text
    assert "gates: health, smoke" in text


def test_an_update_goes_to_the_other_slot_and_shows_its_commands(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0"), "green")
    plan = deploy_plan(site, site.keep("1.0.1"))
    assert (plan.slot, plan.old_slot, plan.live) == ("blue", "green", "1.0.0")
    text = "\n".join(plan.lines())
    assert f"{tmp_path}/releases/1.0.1/blue.json create --no-build worker" in text
    assert f"{tmp_path}/releases/1.0.1/blue.json up --detach --no-build api" in text
    assert text.index("docker start (worker)") > text.index("up --detach --no-build api")
    assert json.loads(json.dumps(plan.data()))["steps"][-1]["name"] == "finalize"


def test_changes_name_variables_and_never_show_their_values(tmp_path):
    live = release(
        "1.0.0", tmp_path, images={"api": "sha256:" + "a" * 64}, migrations={"1.py": "a"}
    )
    new = candidate(
        live, images={"api": "sha256:" + "b" * 64}, variables={"TOKEN": "new-value", "MORE": "x"},
        files={"docker/compose.yml": "ffff0000", "same": "1"},
        migrations={"1.py": "a", "2.py": "b"},
    )  # fmt: skip
    before = Baseline({"same": "1", "gone": "0123456789"}, {"TOKEN": "old-value", "LESS": "y"})
    found = {(c.kind, c.name): (c.before, c.after) for c in changes(live, new, before)}
    assert found == {
        ("image", "api"): ("sha256:aaaaaaaaaaaa", "sha256:bbbbbbbbbbbb"),
        ("file", "docker/compose.yml"): ("", "ffff0000"),
        ("file", "gone"): ("01234567", ""),
        ("variable", "TOKEN"): ("set", "changed"),
        ("variable", "MORE"): ("", "set"),
        ("variable", "LESS"): ("set", ""),
        ("migration", "2.py"): ("", "new"),
    }
    back = {(c.kind, c.name) for c in changes(live, candidate(live), before)}
    assert ("migration", "1.py") in back


def test_a_fingerprint_changes_with_all_that_a_deploy_depends_on():
    base = fingerprint("content", {"A": "1"}, Rollout())
    assert base == fingerprint("content", {"A": "1"}, Rollout(bake_time="9s"))
    others = [
        fingerprint("other", {"A": "1"}, Rollout()),
        fingerprint("content", {"A": "2"}, Rollout()),
        fingerprint("content", {"A": "1"}, Rollout(replicas=2)),
        fingerprint("content", {"A": "1"}, Rollout(replicas={"api": 2, "web": 1})),
    ]
    assert base not in others
    assert len(set(others)) == 4
    assert others[-1] == fingerprint("content", {"A": "1"}, Rollout(replicas={"web": 1, "api": 2}))


@pytest.mark.parametrize(
    "compose", [["docker/docker-compose.prod.yml"], ["compose.yml"], ["docker/other.yml"]]
)
def test_one_compose_file_leaves_the_fingerprint_of_0_6_0(compose):
    """A release retained by 0.6.0 is the same one after an upgrade, wherever its file lies."""
    of_0_6_0 = "4a957bf135f0827bc0a7e830a2dad4776cfe494c20567ee2d1fe7b4fa11fc347"
    assert fingerprint("content", {"A": "1"}, Rollout(), compose=compose) == of_0_6_0


def test_each_list_of_compose_files_has_a_fingerprint_of_its_own():
    lists = ([], ["a.yml", "b.yml"], ["b.yml", "a.yml"], ["a.yml", "c.yml"])
    found = {fingerprint("content", {}, Rollout(), compose=compose) for compose in lists}
    assert len(found) == len(lists)


@pytest.mark.parametrize(
    ("name", "said"), [("web", "web is not in the compose file"), ("db", "db has role backing")]
)
def test_replicas_are_for_apps_and_workers_that_there_are(tmp_path, name, said):
    site = FakeHostEnvironment(tmp_path)
    site.rollout = Rollout(replicas={name: 2})
    with pytest.raises(UsageError, match=said) as error:
        deploy_plan(site, release("1.0.0", tmp_path), retained=None)
    assert error.value.remedy == "apps and workers: api, worker"


def test_a_release_that_failed_before_is_deployed_with_a_warning(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    bad = site.store.mark(site.keep("1.0.0"), Status.BAD, "gate smoke failed")
    plan = deploy_plan(site, bad)
    assert plan.warnings == ("it failed here before: gate smoke failed",)
    assert "  warning    it failed here before: gate smoke failed" in list(plan.lines())


def test_what_another_state_folder_deployed_is_not_touched(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.engine.containers["blue", "api"] = ("7.0.0", True)
    site.engine.shares = {"blue": 100}
    with pytest.raises(UsageError, match=r"7\.0\.0 serves on localhost, and") as error:
        operations.rollback(Fleet((site,)))
    assert "TOWLINE_STATE" in error.value.remedy
    for act in (down.plan, down.take_down):
        with pytest.raises(UsageError, match=r"7\.0\.0 serves on localhost, and") as error:
            act(Fleet((site,)), down.Extent(volumes=True))
        assert "inv down --unmanaged --env prod" in error.value.remedy
    assert not site.state.lock.exists()
    assert site.engine.calls == []


releases_ = st.lists(st.sampled_from(list(Status)), max_size=9).map(
    lambda states: [(number, state) for number, state in enumerate(states)]
)


@given(releases_, st.integers(1, 4), st.sets(st.integers(0, 8), max_size=2))
def test_retention_keeps_the_newest_good_ones_and_all_in_use(tmp_path_factory, given_, keep, used):
    folder = tmp_path_factory.getbasetemp()
    items = [release(f"1.{n}.0", folder, created=f"{n:04}", status=s) for n, s in given_]
    in_use = {f"1.{n}.0" for n in used}
    gone = {item.id for item in surplus(items, keep, in_use)}
    assert not gone & in_use
    good = [item.id for item in items if item.status is Status.GOOD]
    assert not gone & set(good[-keep:])
    assert set(good[:-keep]) - in_use <= gone
