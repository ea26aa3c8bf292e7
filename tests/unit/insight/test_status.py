"""Status says whether users are served on each host, and fails when they are not."""

import sys
from pathlib import Path

import pytest

from towline.environments.host_environment import Away, Fleet, observe
from towline.errors import CheckFailed, TowlineError
from towline.insight import health, logs, status
from towline.rollout import serving
from towline.state.releases import Status

sys.path.insert(0, str(Path(__file__).parents[1] / "rollout"))

from fakes import SERVICES, FakeHostEnvironment


@pytest.fixture
def sites(tmp_path):
    found = []
    for name in ("web1", "web2"):
        site = FakeHostEnvironment(tmp_path / name, host_name=name)
        site.remote = True
        site.environment = site.project.environment("local")
        site.serve(site.keep("1.0.0"))
        found.append(site)
    return found


def problems(sites, **options):
    found = status.fleet_status(Fleet(tuple(sites), **options))
    data = found.data()
    if data["problems"]:
        with pytest.raises(TowlineError) as error:
            status.require_served(found)
        assert error.value.exit_code == 1
    else:
        status.require_served(found)
    return data["problems"]


def test_served_everywhere_is_no_problem_and_standby_containers_do_not_count(sites):
    sites[0].engine.containers["green", "api"] = ("0.9.0", False)
    data = status.fleet_status(Fleet(tuple(sites))).data()
    assert data["problems"] == []
    assert data["served"] is True
    # Two apps' and workers' containers beside them: of what serves, all runs.
    assert data["hosts"][0]["containers"] == "4 of 4 run"
    assert [row["lead"] for row in data["hosts"]] == ["lead", ""]


def test_a_dead_router_is_a_problem_of_its_host(sites):
    sites[1].engine.failure_reason_of_router = "the router is not running: Exited (137)"
    (problem,) = problems(sites)
    assert problem == "users are not served on web2: the router is not running: Exited (137)"


def test_a_router_is_asked_as_gates_ask_it(sites):
    # It answers on its own port, and not on the path that its health is asked by.
    one = sites[0]
    services = {**SERVICES, "nginx": {"role": "router", "port": 80, "health": "/up"}}
    one.engine.containers.clear()
    kept = one.keep("1.0.9", services=services, fingerprint="1.0.0")
    one.serve(kept)
    (problem,) = problems(sites)
    assert problem.startswith("users are not served on web1: the router does not answer: ")
    seen = observe(one)
    assert serving.routing_fault(one.engine, kept, "blue", seen.state) in problem


def test_traffic_to_what_does_not_run_is_a_problem(sites):
    sites[0].engine.containers["blue", "api"] = ("1.0.0", False)
    assert (
        "users are not served on web1: traffic goes to the blue slot, where api"
        in problems(sites)[0]
    )
    sites[0].engine.containers.clear()
    assert "the blue slot, which has no containers" in problems(sites)[0]


def test_deleted_mounts_are_a_problem(sites):
    sites[1].engine.deleted = ("nginx",)
    assert "nginx mounts a folder that was deleted" in problems(sites)[0]


def test_hosts_that_differ_are_a_problem_and_another_identifier_is_none(sites):
    same = sites[1].keep("1.0.1", id="1.0.1", fingerprint="1.0.0")
    sites[1].engine.containers.clear()
    sites[1].serve(same, "green")
    assert problems(sites) == []
    other = sites[1].keep("1.0.2")
    sites[1].engine.containers.clear()
    sites[1].serve(other, "blue")
    assert problems(sites) == ["the hosts serve 1.0.0 and 1.0.2"]
    # One that was added or wiped serves nothing.
    sites[1].engine.containers.clear()
    sites[1].engine.shares = {}
    assert problems(sites) == ["nothing serves on web2, and 1.0.0 serves elsewhere"]


def test_one_host_that_is_away_is_named_and_the_others_are_shown(sites, monkeypatch):
    away = (Away("web3", "no answer"),)
    assert problems(sites, away=away) == ["web3 is away: no answer"]
    fleet = Fleet(tuple(sites), away)
    rows = health.report(fleet)
    assert {item.host for item in rows} == {"web1", "web2", "web3"}
    with pytest.raises(CheckFailed, match="web3 of local cannot be asked"):
        health.require_healthy(rows, "local")
    assert dict(logs.of_fleet(fleet, "", 3))["web3"] == "away: no answer"

    # One whose engine is away is like a host that is.
    def gone():
        raise TowlineError("no Docker engine answers on web1")

    monkeypatch.setattr(sites[0].engine, "observe", gone)
    assert problems(sites)[0].startswith("web1 is away: no Docker engine answers")
    assert status.fleet_status(fleet).data()["live"] == "1.0.0"


def test_nothing_deployed_is_no_problem(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.environment = site.project.environment("local")
    assert problems([site]) == []


def test_what_was_left_to_a_person_is_said_until_the_next_operation(sites):
    journal = sites[0].journal
    journal.write("1", "begin", data={"kind": "deploy", "release": "1.0.1"})
    end = {"ok": False, "error": "unhealthy", "restore": "web2: cut"}
    journal.write("1", "end", data=end)
    data = status.fleet_status(Fleet(tuple(sites))).data()
    assert data["manual"] == (
        "deploy 1.0.1 failed (unhealthy) and its rollback also failed: web2: cut"
    )
    journal.write("2", "begin", data={"kind": "deploy", "release": "1.0.0"})
    journal.write("2", "end", data={"ok": True})
    assert status.fleet_status(Fleet(tuple(sites))).first.manual == ""
    assert sites[0].store.get("1.0.0").status is Status.GOOD


def test_people_read_which_containers_serve_and_how_many(sites, monkeypatch, capsys):
    from towline.tasks.status import _show

    _show(status.fleet_status(Fleet(tuple(sites))).data())
    said = capsys.readouterr().out
    assert "traffic   api: blue 100 % (1 of 1 running)" in said
    assert "blue-api-1" in said
