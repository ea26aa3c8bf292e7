"""What goes on is the release that was begun, whatever is promoted or set on this machine."""

import pytest
from canaries import begin, routes
from fakes import FakeHostEnvironment
from test_interrupted import deploy_host_rollout, kill, rollback_host_rollout, serving

from towline.environments.host_environment import Fleet
from towline.errors import CheckFailed, TowlineError
from towline.progress import Silent
from towline.rollout import host_parts, interrupted, operations
from towline.rollout.executor import Executor
from towline.state import hold
from towline.state.journal import unfinished
from towline.state.releases import Status


@pytest.fixture
def site(tmp_path, monkeypatch):
    """1.0.0 is live, 1.0.1 is retained, and the deploy tree here is another's."""

    def other(*_, **__):
        raise CheckFailed("this tree is not what was promoted")

    for name in ("promoted", "read_manifest"):
        monkeypatch.setattr(host_parts, name, other)
    made = FakeHostEnvironment(tmp_path)
    made.serve(made.keep("1.0.0"))
    made.keep("1.0.1")
    return made


def test_a_paused_deploy_is_let_go_on_from_any_machine(site):
    canary = site.rollout.canary.model_copy(update={"steps": [10, "pause", 60], "window": 0.01})
    site.rollout = site.rollout.model_copy(update={"strategy": "canary", "canary": canary})
    Executor([begin(site)], Silent()).run()
    operations.promote(Fleet((site,))).run(Silent())
    assert "route {'blue': 40, 'green': 60}" in routes(site)
    assert serving(site) == "1.0.1"


def test_a_killed_deploy_is_resumed_from_any_machine(site, monkeypatch):
    assert kill([deploy_host_rollout(site)], monkeypatch, 8, after=True)
    operations.resume(Fleet((site,))).run(Silent())
    assert serving(site) == "1.0.1"


def test_the_rest_of_a_rollback_is_one_however_often_it_is_killed(site, monkeypatch):
    fleet = Fleet((site,))
    Executor([deploy_host_rollout(site)], Silent()).run()
    step = "switch"
    for entry in range(1, 30):
        part = rollback_host_rollout(site)
        if kill([part], monkeypatch, entry, after=True) and site.engine.shares == {"blue": 100}:
            break
    assert unfinished(site.journal.entries()).step == step
    again = operations.resume(fleet)
    assert again.plan.kind == "rollback"
    assert kill(again.parts, monkeypatch, 2, after=True)
    left = interrupted.require(fleet)
    assert (left.kind, left.before) == ("rollback", "1.0.1")
    operations.resume(fleet).run(Silent())
    assert serving(site) == "1.0.0"
    assert hold.read(site.files, site.state).reason == "rolled back from 1.0.1: a bug"
    found = site.store.get("1.0.1")
    assert (found.status, found.reason) == (Status.BAD, "a bug")


def test_one_whose_image_is_gone_is_not_replaced_by_another(site, monkeypatch):
    assert kill([deploy_host_rollout(site)], monkeypatch, 8, after=True)
    monkeypatch.setattr(host_parts.arrivals, "lost_if_complete", lambda *_: None)
    with pytest.raises(TowlineError, match="this tree is not what was promoted"):
        operations.resume(Fleet((site,)))


def test_a_host_that_is_through_is_one_that_has_to_go_back_with_the_others(site, monkeypatch):
    for entry in range(1, 30):
        part = deploy_host_rollout(site)
        if kill([part], monkeypatch, entry, after=True) and site.engine.shares == {"green": 100}:
            break
    (part,) = operations.resume(Fleet((site,))).parts
    assert part.touched
    assert part.plan.old.id == "1.0.0"
