"""What may be written as a probe, and the grammar of JSON limits."""

import pytest
from pydantic import ValidationError

from towline.config.deploy_sections import HttpSmoke
from towline.config.json_limits import Limit, json_faults, parse_limit, parse_path
from towline.config.mistakes import describe
from towline.config.probes import KINDS, AnyProbe
from towline.config.services import Service
from towline.discovery import module_names
from towline.health.asking import PACKAGE

DATA = {
    "pool": {"available": 3, "idle.max": 1.5},
    "checks": {"database": "ok", "cache": None, "ready": True},
    "items": [{"name": "a", "state": "up"}, {"name": "b", "state": "down"}],
    "none": [],
}


def service(health):
    return Service.model_validate({"role": "app", "port": 8000, "health": health})


def mistake(health):
    with pytest.raises(ValidationError) as error:
        service(health)
    return describe(error.value.errors()[0], Service)


def test_every_kind_has_its_settings_and_its_module():
    assert sorted(KINDS) == module_names(PACKAGE)
    assert {item.model_fields["kind"].annotation.__args__[0] for item in AnyProbe.__args__} == {
        *KINDS
    }


@pytest.mark.parametrize(
    "health",
    [
        "/health",
        {"path": "/health", "status": 204, "headers": {"Host": "shop.example"}},
        {"path": "/h", "json": {"a.b": ">= 1"}, "status": [200, 204], "method": "POST", "body": {}},
        {"kind": "tcp", "port": 25, "expect": "220"},
        {"kind": "websocket", "path": "/ws", "send": "ping", "expect": "pong"},
        {"kind": "postgres", "max_time": "200ms"},
        {"kind": "redis", "password": "CACHE_PASSWORD", "role": "master"},
        {"kind": "prometheus", "targets": False},
        {"kind": "grafana", "start_period": "2m"},
        {"kind": "command", "command": "pg_isready -q", "interval": "5s"},
    ],
)
def test_a_release_keeps_a_probe_as_it_was_written(health):
    written = service(health)
    kept = written.model_dump(mode="json", exclude_defaults=True)
    assert Service.model_validate(kept) == written
    assert Service.model_validate(written.model_dump(mode="json")) == written


def test_what_an_earlier_version_kept_is_read():
    health = {"path": "/", "port": None, "status": 200, "headers": {}}
    assert service(health).health.status == [200]


@pytest.mark.parametrize(
    ("health", "said"),
    [
        ({"kind": "redis", "rol": "x"}, "unknown key `health.rol`; did you mean `role`?"),
        ({"kind": "postgres", "path": "/"}, "unknown key `health.path`"),
        ({"kind": "mysql"}, "`health`: unknown kind 'mysql'; known: http, tcp, "),
        ({"kind": "command"}, "`health.command` is missing"),
        ({"path": "health"}, "'health' is no path: write it with a / at its beginning"),
        ({"status": []}, "`health.status`: must not be empty"),
        ({"status": [200, 99]}, "`health.status[1]`: must be 100 or more"),
        ({"json": {"a": "> many"}}, "`health.json`: '> many' compares with no number"),
        ({"json": {"a": ">="}}, "`health.json`: '>=' compares with nothing"),
        ({"json": {"a[": 1}}, "`health.json`: 'a[' is no path into JSON"),
        ({"json": {"a": [1]}}, "`health.json`: 'a' needs one value"),
        ({"kind": "redis", "password": "s3cret!"}, "`health.password`: has not the form"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(health, said):
    assert mistake(health).startswith(said) or said in mistake(health)


def test_paths_have_names_places_and_all_of_a_list():
    assert parse_path("pool.available") == ("pool", "available")
    assert parse_path('pool["idle.max"]') == ("pool", "idle.max")
    assert parse_path("[0].name") == (0, "name")
    assert parse_path("items[*].state") == ("items", "*", "state")
    for wrong in ("", "a[", "a[x]", "a b"):
        with pytest.raises(ValueError, match="path into JSON"):
            parse_path(wrong)


def test_limits_are_signs_and_values():
    assert parse_limit(">= 1") == Limit(">=", 1)
    assert parse_limit("<0.5") == Limit("<", 0.5)
    assert parse_limit("= true") == Limit("==", True)
    assert parse_limit("ok") == Limit("==", "ok")
    assert parse_limit("!= failed") == Limit("!=", "failed")


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("pool.available", ">= 3"), ("pool.available", "< 3.5"), ("pool.available", 3),
        ('pool["idle.max"]', "== 1.5"), ("checks.database", "ok"), ("checks.cache", None),
        ("checks.ready", True), ("checks.database", "!= lost"), ("items[1].state", "down"),
        ("items[*].name", "!= c"),
    ],
)  # fmt: skip
def test_what_is_within_its_limit(path, limit):
    assert list(json_faults(DATA, {path: limit})) == []


@pytest.mark.parametrize(
    ("path", "limit", "said"),
    [
        ("pool.available", ">= 4", "pool.available is 3, wanted >= 4"),
        ("pool.free", ">= 1", "pool.free is not there, wanted >= 1"),
        ("pool.available.x", 1, "pool.available.x is not there, wanted 1"),
        ("pool", ">= 1", "pool is a section of 2, which is no number, wanted >= 1"),
        ("checks.database", "lost", "checks.database is 'ok', wanted 'lost'"),
        ("checks.ready", "> 0", "checks.ready is true, which is no number, wanted > 0"),
        ("checks.ready", 1, "checks.ready is true, wanted 1"),
        ("items[*].state", "up", "items[*].state is 'down', wanted 'up'"),
        ("items[7].state", "up", "items[7].state is not there, wanted 'up'"),
        ("none[*].state", "up", "none[*].state is not there, wanted 'up'"),
    ],
)
def test_what_is_not_is_told_with_what_is_there(path, limit, said):
    assert list(json_faults(DATA, {path: limit})) == [said]


def test_a_host_is_a_header_and_data_is_sent_as_json():
    test = HttpSmoke.model_validate({"path": "/", "host": "shop.example", "body": {"a": 1}})
    assert test.sent_headers == {"Host": "shop.example", "Content-Type": "application/json"}
    assert test.sent_body == b'{"a": 1}'
    plain = HttpSmoke(path="/", host="shop.example", headers={"host": "own"}, body="x=1")
    assert (plain.sent_headers, plain.sent_body) == ({"host": "own"}, b"x=1")
