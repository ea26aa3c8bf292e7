"""Killed before and after every journal entry, resumed or aborted: what serves is one release."""

import pytest
from fakes import FakeHostEnvironment
from test_executor import candidate, deploy_plan, inputs

from towline.engines.acts import Act, Effect
from towline.environments.host_environment import Fleet
from towline.errors import CheckFailed, UsageError
from towline.progress import Silent
from towline.rollout import host_parts, interrupted, operations
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import HostRollout
from towline.rollout.planner import plan_deploy, plan_rollback
from towline.state.journal import unfinished


class Killed(BaseException):
    """What a kill looks like from within: nothing is caught, nothing cleaned up."""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """1.0.0 is live, 1.0.1 is kept; plans are made without the deploy tree of a project."""

    def plain(site, version, *_):
        release = site.store.get(version)
        return HostRollout(site, plan_deploy(inputs(site), candidate(release), site.rollout))

    monkeypatch.setattr(operations, "deploy_on_host", plain)
    monkeypatch.setattr(host_parts, "from_retained", lambda _, release: candidate(release))
    monkeypatch.setattr(host_parts, "read_baseline", lambda *_: inputs(made[-1]).before)
    made = []

    def build(number):
        site = FakeHostEnvironment(tmp_path / str(number))
        site.serve(site.keep("1.0.0"))
        site.keep("1.0.1")
        made.append(site)
        return site

    return build


def rollback_host_rollout(site):
    target = site.store.get("1.0.0")
    return HostRollout(site, plan_rollback(inputs(site), candidate(target), target), reason="a bug")


def deploy_host_rollout(site):
    return HostRollout(site, deploy_plan(site, site.store.get("1.0.1")))


def kill(parts, monkeypatch, entry, *, after, **options):
    """Run parts and die at a journal entry; whether it was reached."""
    count = 0
    journal = parts[0].site.journal
    write = type(journal).write

    def dying(self, *arguments, **named):
        nonlocal count
        count += 1
        if count == entry and not after:
            raise Killed
        done = write(self, *arguments, **named)
        if count == entry:
            raise Killed
        return done

    with monkeypatch.context() as patched:
        patched.setattr(type(journal), "write", dying)
        try:
            Executor(parts, Silent(), **options).run()
        except Killed:
            journal._last = None
            return True
    return False


def serving(site):
    (slot,) = [slot for slot, share in site.engine.shares.items() if share]
    running = {
        release
        for (_, service), (release, runs) in site.engine.containers.items()
        if runs and service in ("api", "worker")
    }
    assert len(running) == 1, f"{running} run"
    return site.engine.containers[slot, "api"][0]


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("kind", ["deploy", "rollback"])
@pytest.mark.parametrize("way", ["resume", "abort"])
def test_killed_at_every_entry_it_is_resumed_or_aborted(make, monkeypatch, way, kind, after):
    reached = 0
    for entry in range(1, 60):
        site = make(entry)
        if kind == "rollback":
            Executor([deploy_host_rollout(site)], Silent()).run()
        part = deploy_host_rollout(site) if kind == "deploy" else rollback_host_rollout(site)
        old, new = ("1.0.0", "1.0.1") if kind == "deploy" else ("1.0.1", "1.0.0")
        if not kill([part], monkeypatch, entry, after=after):
            break
        fleet = Fleet((site,))
        left = interrupted.found(fleet)
        if left is None:
            assert site.engine.shares, f"entry {entry}"
            continue
        reached += 1
        with pytest.raises(CheckFailed, match="was interrupted at step") as error:
            interrupted.refuse(fleet)
        assert "inv deploy.resume --env prod" in error.value.remedy
        operation = getattr(operations, way)(fleet)
        if operation.plan.nothing_to_do:
            interrupted.close(fleet, left)
        else:
            operation.run(Silent())
        assert serving(site) == (new if way == "resume" else old), f"{kind}, entry {entry}"
        assert unfinished(site.journal.entries()) is None
        assert interrupted.found(fleet) is None
        assert site.journal.verify() == []
    assert reached >= 10


def test_an_abort_that_is_killed_is_aborted_again(make, monkeypatch):
    for entry in range(1, 4):
        site = make(entry)
        fleet = Fleet((site,))
        assert kill([deploy_host_rollout(site)], monkeypatch, 10, after=True)
        assert kill(operations.abort(fleet).parts, monkeypatch, entry, after=True)
        for way in (operations.resume, operations.abort):
            assert way(fleet).plan.kind == "abort"
        operations.resume(fleet).run(Silent())
        assert serving(site) == "1.0.0"


def test_where_nothing_was_interrupted_there_is_nothing_to_do(make):
    fleet = Fleet((make(1),))
    interrupted.refuse(fleet)
    for way in (operations.resume, operations.abort):
        with pytest.raises(UsageError, match="nothing was interrupted"):
            way(fleet)


def test_a_rollback_is_not_resumed_for_a_deploy_that_it_holds_back(make, monkeypatch):
    site = make(1)
    fleet = Fleet((site,))
    Executor([deploy_host_rollout(site)], Silent()).run()
    assert kill([rollback_host_rollout(site)], monkeypatch, 8, after=True)
    shares, entries = dict(site.engine.shares), len(site.journal.entries())
    with pytest.raises(CheckFailed, match="a rollback holds prod: no deploy follows") as error:
        interrupted.refuse_to_deploy_after(fleet, "")
    assert "`inv deploy.resume --env prod` ends the rollback" in error.value.remedy
    assert (site.engine.shares, len(site.journal.entries())) == (shares, entries)
    # A release that a person names is not held back.
    interrupted.refuse_to_deploy_after(fleet, "1.0.1")


FELT = Effect("nginx", "router", Act.RECREATE, ("image",))


@pytest.mark.parametrize(
    ("way", "spare", "to"), [("resume", False, "1.0.0"), ("abort", True, "1.0.1")]
)
def test_what_ends_an_interruption_tells_what_users_will_feel(make, monkeypatch, way, spare, to):
    site = make(1)
    Executor([deploy_host_rollout(site)], Silent()).run()
    assert kill([rollback_host_rollout(site)], monkeypatch, 4, after=True)
    asked = []

    def forecast(wanted, was, now, renewed, *, spare=False):
        asked.append((wanted.id, spare))
        return [FELT]

    site.engine.forecast = forecast
    operation = getattr(operations, way)(Fleet((site,)))
    assert operation.interruptions == (str(FELT),)
    # On the way back what is well stays as it is.
    assert asked == [(to, spare)]


def test_there_is_a_way_back_although_nobody_can_tell_what_it_restarts(make, monkeypatch):
    site = make(1)
    assert kill([deploy_host_rollout(site)], monkeypatch, 10, after=True)
    (site.store.get("1.0.0").tree / "release.json").unlink()
    operation = operations.abort(Fleet((site,)))
    assert "nobody can tell what else it restarts on localhost" in operation.plan.warnings[0]
    operation.run(Silent())
    assert serving(site) == "1.0.0"
