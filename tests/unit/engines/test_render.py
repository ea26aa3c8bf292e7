import copy
from dataclasses import replace
from pathlib import Path

import pytest

from towline.config.services import Service
from towline.engines.compose.applied import Applied
from towline.engines.compose.compose_file import SLOT_PLACEHOLDER, ComposeFile
from towline.engines.compose.differences import changed_keys
from towline.engines.compose.names import Names
from towline.engines.compose.render import (
    LOG_ROOM,
    Target,
    build_model,
    has_log_room,
    mounts,
    persistent_model,
    slot_model,
)

HERE, TREE, LIVE = Path("/repo/deploy"), Path("/state/releases/1.0.0/tree"), Path("/state/live")


def bind(source, target="/x"):
    return {"type": "bind", "source": source, "target": target}


@pytest.fixture
def stack():
    services = {
        "api": {
            "image": "api:1.0.0",
            "build": {"context": "/repo/deploy"},
            "container_name": "api",
            "environment": {"PASSWORD": "s3cret-value", "SLOT": SLOT_PLACEHOLDER},
            "depends_on": {"db": {"condition": "service_healthy"}, "migrate": {}},
            "volumes": [
                bind("/repo/deploy/conf/app.ini"),
                {"type": "volume", "source": "up", "target": "/u"},
            ],
            "networks": {"default": None},
            "labels": {"team": "news"},
        },
        "worker": {"image": "api:1.0.0", "networks": {"default": None}},
        "migrate": {"image": "api:1.0.0", "restart": "always", "networks": {"default": None}},
        "db": {
            "image": "postgres:16",
            "volumes": [{"type": "volume", "source": "data", "target": "/d"}],
            "networks": {"default": None},
            "secrets": [{"source": "pw"}],
        },
        "nginx": {
            "image": "nginx:1.27",
            "ports": [{"target": 8080, "published": "80"}],
            "depends_on": {"api": {}, "db": {}},
            "volumes": [bind("/repo/deploy/security/nginx/nginx.conf"), bind("/etc/hosts")],
            "networks": {"default": None},
        },
    }
    model = {
        "name": "shop-prod",
        "services": services,
        "networks": {"default": {"name": "shop-prod_default"}},
        "volumes": {"data": {"name": "shop-prod_data"}, "up": {"name": "shop-prod_up"}},
        "secrets": {"pw": {"name": "x", "file": "/repo/deploy/security/secrets/pw"}},
    }
    roles = {"api": "app", "worker": "worker", "migrate": "job", "nginx": "router", "db": "backing"}
    settings = {
        name: Service(role=role, port=8000 if role == "app" else None)
        for name, role in roles.items()
    }
    return ComposeFile.of(model, settings)


@pytest.fixture
def target():
    images = dict.fromkeys(("api", "worker", "migrate"), "sha256:aa") | {"db": "pg@sha256:bb"}
    return Target("shop", "prod", "1.0.0", "1.0.0", "c0ffee", images, 3, HERE, TREE, LIVE,
                  Names("shop-prod"))  # fmt: skip


def test_a_slot_holds_what_is_replaced_and_nothing_else(stack, target):
    model = slot_model(stack, target, "green")
    assert model["name"] == "shop-prod-green"
    assert sorted(model["services"]) == ["api", "migrate", "worker"]
    assert sorted(persistent_model(stack, target)["services"]) == ["db", "nginx"]


def test_images_are_pinned_and_never_built_on_the_way(stack, target):
    api = slot_model(stack, target, "green")["services"]["api"]
    assert api["image"] == "sha256:aa"
    assert api["pull_policy"] == "never"
    assert "build" not in api


def test_labels_tell_the_whole_story(stack, target):
    labels = slot_model(stack, target, "green")["services"]["api"]["labels"]
    assert labels == {
        "team": "news",
        "towline.project": "shop",
        "towline.env": "prod",
        "towline.role": "app",
        "towline.service": "api",
        "towline.release": "1.0.0",
        "towline.version": "1.0.0",
        "towline.colour": "green",
    }


def test_what_stays_carries_no_release_or_it_would_be_recreated(stack, target):
    labels = persistent_model(stack, target)["services"]["db"]["labels"]
    assert "towline.release" not in labels
    later = Target(**{**vars(target), "release": "2.0.0", "version": "2.0.0", "commit": "d"})
    assert persistent_model(stack, target) == persistent_model(stack, later)


def test_an_app_gets_an_alias_replicas_and_a_loopback_port(stack, target):
    api = slot_model(stack, target, "blue")["services"]["api"]
    assert api["networks"]["default"]["aliases"] == ["api-blue"]
    assert api["deploy"]["replicas"] == 3
    assert [(p["host_ip"], p["target"]) for p in api["ports"]] == [("127.0.0.1", 8000)]
    assert "published" not in api["ports"][0]
    assert "container_name" not in api
    assert api["environment"]["SLOT"] == "blue"
    assert api["environment"]["TOWLINE_SLOT"] == "blue"
    assert api["environment"]["TOWLINE_RELEASE"] == api["labels"]["towline.release"]
    assert api["environment"]["TOWLINE_COLOUR"] == "blue"


def test_dependencies_stay_inside_one_compose_project(stack, target):
    api = slot_model(stack, target, "blue")["services"]["api"]
    nginx = persistent_model(stack, target)["services"]["nginx"]
    assert api["depends_on"] == {"migrate": {}}
    assert nginx["depends_on"] == {"db": {}}


def test_networks_and_volumes_are_shared_under_the_environments_names(stack, target):
    model = slot_model(stack, target, "blue")
    assert model["networks"] == {"default": {"name": "shop-prod_default", "external": True}}
    assert model["volumes"] == {"up": {"name": "shop-prod_up", "external": True}}


def test_shared_networks_and_volumes_keep_their_options(stack, target):
    stack.model["networks"]["default"]["internal"] = True
    stack.model["volumes"]["data"] = {"name": "theirs", "external": True}
    made = persistent_model(stack, target)["x-towline-shared"]
    # What somebody else made is not made again.
    assert made == {"networks": {"shop-prod_default": {"internal": True}}}


def test_mounts_move_to_the_host(stack, target):
    api = slot_model(stack, target, "blue")["services"]["api"]
    kept = persistent_model(stack, target)
    assert api["volumes"][0]["source"] == "/state/releases/1.0.0/tree/conf/app.ini"
    sources = [volume["source"] for volume in kept["services"]["nginx"]["volumes"]]
    assert sources == ["/state/live/security/nginx/nginx.conf", "/etc/hosts"]
    assert kept["secrets"]["pw"]["file"] == "/state/live/security/secrets/pw"
    assert mounts(kept, LIVE) == {
        "db": [Path("security/secrets/pw")],
        "nginx": [Path("security/nginx/nginx.conf")],
    }


def test_a_job_runs_once(stack, target):
    assert slot_model(stack, target, "blue")["services"]["migrate"]["restart"] == "no"


def test_no_secret_reaches_a_build(stack, target):
    model = build_model(stack, target, "digest")
    assert "s3cret-value" not in str(model)
    labels = model["services"]["api"]["build"]["labels"]
    assert labels["towline.content"] == "digest"
    assert labels["org.opencontainers.image.revision"] == "c0ffee"


def test_rendering_leaves_the_stack_as_it_was(stack, target):
    before = str(stack.model)
    slot_model(stack, target, "blue")
    persistent_model(stack, target)
    build_model(stack, target, "x")
    assert str(stack.model) == before


def test_a_place_for_the_log_recreates_the_router_only_when_a_log_is_wanted(stack, target):
    stack.definition("nginx")["tmpfs"] = "/tmp"
    now = persistent_model(stack, target)
    assert now["x-towline-request-log"] is False
    assert persistent_model(stack, replace(target, request_log=True))["x-towline-request-log"]
    assert has_log_room(now["services"]["nginx"])
    was = copy.deepcopy(now)
    # As an earlier version rendered it.
    was["services"]["nginx"]["tmpfs"] = ["/tmp"]
    assert changed_keys(was, now, "nginx") == changed_keys(now, was, "nginx") == ()
    wanted = persistent_model(stack, replace(target, request_log=True))
    assert changed_keys(was, wanted, "nginx") == ("a place for the request log",)
    assert changed_keys(now, wanted, "nginx") == ()
    was["services"]["nginx"]["tmpfs"] = ["/run"]
    assert changed_keys(was, now, "nginx") == ("tmpfs",)


def test_the_record_says_whether_the_routers_container_has_that_place(stack, target):
    now = persistent_model(stack, target)
    was = copy.deepcopy(now)
    was["services"]["nginx"]["tmpfs"] = ["/tmp"]
    now["services"]["nginx"]["tmpfs"] = ["/tmp", LOG_ROOM]
    record = Applied(was)
    record.put(now, {"nginx", "db"})
    assert not has_log_room(record.model["services"]["nginx"])
    record.put(now, {"nginx", "db"}, made={"nginx"})
    assert has_log_room(record.model["services"]["nginx"])
