from pathlib import Path

from towline.engines.acts import Act
from towline.engines.compose.commands import up_commands
from towline.engines.compose.differences import PersistentBaseline, changed_keys, find_effects
from towline.engines.observed import Container, ObservedState


def model(**services):
    for name, definition in services.items():
        role = "router" if name == "nginx" else "backing"
        definition.setdefault("labels", {"towline.role": role})
    return {"name": "shop-prod", "services": services}


def there(name, state="running"):
    role = "router" if name == "nginx" else "backing"
    return Container(name, name, name, role, state)


def effects(was, now, *containers, changed=None, signals=None, **baseline):
    before = PersistentBaseline(was, ObservedState(containers), **baseline)
    found = find_effects(before, now, changed or {}, signals or {})
    return {item.service: item for item in found}


def test_keys_are_named_and_values_are_not():
    was = model(
        db={"image": "a", "environment": {"A": "s3cret-1", "B": "x"}, "command": ["s3cret"]}
    )
    now = model(db={"image": "b", "environment": {"A": "s3cret-2", "C": "y"}, "depends_on": {}})
    keys = changed_keys(was, now, "db")
    assert keys == ("command", "environment A", "environment B", "environment C", "image")
    said = str(effects(was, now, there("db"))["db"])
    assert said.startswith("recreates db (backing): command, environment A,")
    assert "s3cret" not in said


def test_what_is_as_it_was_is_left_alone_and_what_is_missing_is_made():
    was = model(db={"image": "a", "pull_policy": "never"}, redis={"image": "a"})
    now = model(db={"image": "a"}, redis={"image": "a"}, cache={"image": "a"})
    found = effects(was, now, there("db"), there("redis", "exited"), there("old"))
    acts = {name: item.act for name, item in found.items()}
    assert acts == {"redis": Act.START, "cache": Act.CREATE, "old": Act.REMOVE}
    assert [name for name, item in found.items() if item.interrupts] == ["old"]


def test_changed_files_restart_or_reload_and_the_router_waits_for_the_switch():
    same = model(db={}, prometheus={}, nginx={})
    changed = {name: [Path("x.conf")] for name in same["services"]}
    found = effects(
        same, same, *map(there, same["services"]), changed=changed,
        signals={"prometheus": "SIGHUP"}, away={"db": 2.5},
    )  # fmt: skip
    assert {name: item.act for name, item in found.items()} == {
        "db": Act.RESTART,
        "prometheus": Act.RELOAD,
    }
    assert "x.conf changed; its connections break" in str(found["db"])
    assert "2.5 s the last time" in str(found["db"])
    assert not found["prometheus"].interrupts


def test_without_a_record_nothing_is_promised():
    now = model(db={"image": "a"})
    assert effects(None, now, there("db"))["db"].interrupts
    assert effects(None, now)["db"].act is Act.CREATE


def test_a_restart_policy_that_was_disabled_is_healed_unless_more_happens():
    was, now = model(nginx={"image": "a"}), model(nginx={"image": "b"})
    disabled = frozenset({"nginx"})
    assert effects(was, was, there("nginx"), disabled=disabled)["nginx"].act is Act.RESTART
    assert effects(was, now, there("nginx"), disabled=disabled)["nginx"].act is Act.RECREATE


def test_compose_is_given_what_differs_and_the_router_last():
    was = model(db={"image": "a"}, nginx={"image": "a"}, redis={})
    now = model(db={"image": "b"}, nginx={"image": "b"}, redis={})
    found = list(effects(was, now, *map(there, was["services"])).values())
    plain, router = up_commands(Path("/f"), found)
    assert plain[-2:] == ["--no-deps", "db"]
    assert router[-3:] == ["--timeout", "2", "nginx"]
    assert up_commands(Path("/f"), found, patient=["nginx"])[1][-2:] == ["--no-deps", "nginx"]
    assert up_commands(Path("/f"), []) == []
