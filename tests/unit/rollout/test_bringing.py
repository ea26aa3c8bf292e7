"""A host that was added, wiped or left out gets the release that serves elsewhere, and no other."""

import json
from dataclasses import replace

import pytest
from fakes import FakeHostEnvironment, folder_of, release
from test_executor import candidate
from test_interrupted import kill

from towline.engines.acts import Act, Effect
from towline.engines.compose.drafts import Drafts
from towline.engines.compose.names import Names
from towline.engines.compose.ownership import Owner
from towline.environments.host_environment import Away, Fleet
from towline.errors import UsageError
from towline.progress import Silent
from towline.rollout import bringing, host_parts, interrupted, operations
from towline.rollout.deploy_inputs import Identifiers
from towline.rollout.planner import Baseline
from towline.state.journal import unfinished
from towline.state.releases import Status


@pytest.fixture
def sites(tmp_path, monkeypatch):
    """1.0.1 is live on two hosts, 1.0.0 is retained; the third was wiped."""
    monkeypatch.setattr(bringing, "from_retained", lambda _, item: candidate(item))
    monkeypatch.setattr(host_parts, "from_retained", lambda _, item: candidate(item))
    monkeypatch.setattr(host_parts, "read_baseline", lambda *_: Baseline({}, {}))
    monkeypatch.setattr(bringing.Bringing, "_host_files", lambda _: None)
    monkeypatch.setattr(bringing.Bringing, "_modes", lambda _: {"tree/x": 0o644})
    found = []
    for name in ("web1", "web2", "web3"):
        site = FakeHostEnvironment(tmp_path / name, host_name=name)
        site.remote = True
        found.append(site)
    for site in found[:2]:
        old = site.keep("1.0.0", status=Status.GOOD)
        model = f'"{site.folder}/live"'.encode()
        own = {"tree/x": (b"config", 0o644), "blue.json": (model, 0o600)}
        files = {**folder_of("1.0.1"), **own}
        site.store.add(release("1.0.1", site.folder, created="2026-02-01"), files)
        site.serve(site.store.get("1.0.1"), "green")
        site.engine.containers["blue", "api"] = (old.id, False)
    return found


def live(site):
    slot = next(iter(site.engine.shares), None)
    return site.engine.containers[slot, "api"][0] if slot else None


def test_only_the_named_host_gets_what_serves_on_the_others(sites):
    operation = operations.deploy(Fleet(tuple(sites)), host="web3")
    assert [part.plan.nothing_to_do for part in operation.parts] == [
        True,
        True,
        False,
    ]
    operation.run(Silent())
    assert [live(site) for site in sites] == ["1.0.1"] * 3
    assert [site.engine.calls for site in sites[:2]] == [[], []]
    brought = sites[2].store.get("1.0.1")
    assert brought.fingerprint == sites[0].store.get("1.0.1").fingerprint
    assert (brought.tree / "x").read_bytes() == b"config"
    # Paths in rendered files are those of the host that has them.
    assert (brought.folder / "blue.json").read_text() == f'"{sites[2].folder}/live"'
    assert brought.status is Status.GOOD
    # The journal is the lead's.
    begin = sites[0].journal.entries()[0]["data"]
    assert (begin["kind"], begin["release"]) == ("deploy", "1.0.1")


def test_where_the_others_differ_nobody_knows_what_it_is_to_get(sites):
    sites[1].engine.shares = {"blue": 100}
    with pytest.raises(UsageError, match=r"1\.0\.0 and 1\.0\.1 serves on the other hosts"):
        operations.deploy(Fleet(tuple(sites)), host="web3")
    with pytest.raises(UsageError, match="--host: web9 is no host of prod"):
        operations.deploy(Fleet(tuple(sites)), host="web9")


def test_a_rollback_brings_the_retained_release_to_a_host_that_lacks_it(sites):
    operations.deploy(Fleet(tuple(sites)), host="web3").run(Silent())
    operation = operations.rollback(Fleet(tuple(sites)), keep_schema=True)
    assert operation.parts[2].plan.steps[0].title == "bring 1.0.0 from web1"
    operation.run(Silent())
    assert [live(site) for site in sites] == ["1.0.0"] * 3


def test_a_host_that_was_left_out_and_serves_the_target_does_nothing(sites):
    one, two, three = sites
    three.serve(three.keep("1.0.0", status=Status.GOOD))
    away = (Away("web3", "left out"),)
    operation = operations.rollback(Fleet((one, two), away), keep_schema=True)
    assert "web3 is left out" in operation.plan.warnings[-1]
    operation = operations.rollback(Fleet((one, two, three)), keep_schema=True)
    operation.run(Silent())
    assert [live(site) for site in sites] == ["1.0.0"] * 3
    assert three.engine.calls == []


def test_hosts_that_are_left_out_are_in_the_journal(sites):
    fleet = Fleet(tuple(sites[:2]), (Away("web3", "left out"),))
    operations.rollback(fleet, keep_schema=True).run(Silent())
    assert sites[0].journal.entries()[0]["data"]["without"] == ["web3"]


def test_the_message_names_the_host_that_has_nothing_to_go_back_to(sites):
    with pytest.raises(UsageError, match="no good release to roll back to in prod on web3"):
        operations.rollback(Fleet((sites[2],)))


def test_one_release_has_one_identifier_on_all_hosts(sites):
    called = Identifiers({"print": "2+r2"}, frozenset({"2", "2+r2"}))
    assert called.choose(sites[2], "2", "print") == "2+r2"
    # Something else has that name here: then none that any host uses.
    other = release("2.0.0", sites[2].folder, id="2+r2")
    sites[2].store.add(replace(other, folder=sites[2].state.releases / "2+r2"), {})
    assert called.choose(sites[2], "2", "print") == "2+r3"
    assert Identifiers().choose(sites[0], "2", "new") == "2"


FELT = Effect("db", "backing", Act.RECREATE, ("image",))


def foretelling(site, asked):
    """Note what the engine of a host is asked to foretell, and let it tell a restart."""

    def forecast(wanted, was, now, renewed, *, spare=False):
        asked.append(wanted)
        return [FELT]

    site.engine.forecast = forecast


def test_what_is_brought_to_a_host_tells_what_it_restarts_there(sites):
    source, three = sites[0], sites[2]
    three.serve(three.keep("0.9.0"))
    retained = {"services": {"db": {"volumes": [f"{source.folder}/live/x"]}}}
    file = source.store.get("1.0.1").folder / "kept.json"
    file.write_text(json.dumps(retained))
    asked = []
    foretelling(three, asked)
    operation = operations.deploy(Fleet(tuple(sites)), host="web3")
    assert operation.interruptions == (f"{FELT}; only on web3",)
    # By the description that the host will get: with its own paths.
    (wanted,) = asked
    drafts = Drafts(three.host, three.state, Owner("shop", "prod"), lambda: Names("shop-prod"))
    assert drafts.rendered(wanted).model == {
        "services": {"db": {"volumes": [f"{three.folder}/live/x"]}}
    }
    assert any("only on web3" in line for line in operation.plan.warnings)


def test_a_rollback_that_brings_a_release_tells_what_it_restarts(sites):
    operations.deploy(Fleet(tuple(sites)), host="web3").run(Silent())
    foretelling(sites[2], [])
    operation = operations.rollback(Fleet(tuple(sites)), keep_schema=True)
    assert operation.interruptions == (f"{FELT}; only on web3",)
    reconcile = operation.parts[2].plan.steps[1]
    assert (reconcile.name, reconcile.effects) == ("reconcile", (FELT,))
    # In an emergency persistent services are left as they are, and nothing is felt.
    forced = operations.rollback(Fleet(tuple(sites)), force=True)
    assert forced.interruptions == ()


def test_a_retained_release_that_is_deployed_again_tells_it_too(sites, monkeypatch):
    monkeypatch.setattr(operations, "is_promoted", lambda *_: False)
    foretelling(sites[0], [])
    operation = operations.deploy(Fleet(tuple(sites[:2])), version="1.0.0")
    # Whoever promotes or resumes it must know that no hold stops it.
    assert (operation.respects_hold, operation.begins) == (False, {"by_version": True})
    assert operation.interruptions == (f"{FELT}; only on web1",)


def test_bringing_that_is_killed_is_aborted_without_harm_to_the_others(sites, monkeypatch):
    fleet = Fleet(tuple(sites))
    reached = set()
    for entry in range(1, 30):
        operation = operations.deploy(fleet, host="web3")
        if not kill(operation.parts, monkeypatch, entry, after=True):
            break
        left = interrupted.found(fleet)
        if left is None:
            break
        reached.add(left.step)
        operations.abort(fleet).run(Silent())
        assert [live(site) for site in sites[:2]] == ["1.0.1"] * 2
        assert not any(call.startswith("stop green") for call in sites[0].engine.calls)
        assert unfinished(fleet.lead.journal.entries()) is None
        if live(sites[2]):
            break
    assert {"prepare", "start", "switch"} <= reached
