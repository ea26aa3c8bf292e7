"""What was true before the lock was taken is looked at again under it."""

import threading
from dataclasses import replace

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan
from test_interrupted import Killed, deploy_host_rollout, kill, rollback_host_rollout, serving

from towline.environments.host_environment import Fleet
from towline.errors import CheckFailed, Locked, TowlineError, UsageError
from towline.progress import Silent
from towline.rollout import interrupted, operations
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import HostRollout, PlanOutdated
from towline.rollout.operation import Operation
from towline.rollout.turn import Turn
from towline.state import hold, lock
from towline.state.actor import Actor
from towline.state.lock_file import this_process


@pytest.fixture
def site(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0"))
    site.keep("1.0.1")
    return site


@pytest.fixture
def planned(site, monkeypatch):
    """Resumes and rollbacks are planned without a deploy tree."""
    monkeypatch.setattr(
        operations, "deploy_on_host", lambda site, version: deploy_host_rollout(site)
    )
    return site


def meanwhile(site, act):
    """Somebody else holds the lock while the caller waits for it, and does something."""
    taken = threading.Event()

    def hold_it():
        with lock.held(site.host.files, site.state.lock, "rollback"):
            taken.set()
            act()

    thread = threading.Thread(target=hold_it)
    thread.start()
    assert taken.wait(60)
    return thread


def put_hold(site, wait=0.3):
    threading.Event().wait(wait)
    hold.put(site.host.files, site.state, "the bug in 1.0.1")


def test_who_waits_does_not_walk_past_a_hold(site):
    operation = Operation((deploy_host_rollout(site),), respects_hold=True)
    thread = meanwhile(site, lambda: put_hold(site))
    with pytest.raises(CheckFailed, match="on hold: the bug in"):
        operation.run(Silent(), wait=60)
    thread.join()
    assert site.engine.shares == {"blue": 100}
    assert site.journal.entries() == []


def test_who_waits_does_not_walk_past_an_interruption(site):
    operation = Operation((deploy_host_rollout(site),))

    def die():
        threading.Event().wait(0.3)
        site.journal.write("x", "begin", data={"kind": "deploy", "release": "1.0.1"})

    thread = meanwhile(site, die)
    with pytest.raises(CheckFailed, match=r"deploy 1\.0\.1 was interrupted"):
        operation.run(Silent(), wait=60)
    thread.join()
    assert site.engine.shares == {"blue": 100}


def test_a_resume_is_outdated_when_somebody_else_ended_it(planned, monkeypatch):
    site, fleet = planned, Fleet((planned,))
    assert kill([deploy_host_rollout(site)], monkeypatch, 6, after=True)
    mine = operations.abort(fleet)
    operations.abort(fleet).run(Silent())
    with pytest.raises(PlanOutdated, match="somebody else ended"):
        mine.run(Silent())
    left = mine.ends
    with pytest.raises(PlanOutdated, match="somebody else ended"):
        interrupted.close(fleet, left)


def test_a_migration_does_not_bury_an_interruption(planned, monkeypatch):
    site, fleet = planned, Fleet((planned,))
    assert kill([deploy_host_rollout(site)], monkeypatch, 6, after=True)
    with pytest.raises(CheckFailed, match="was interrupted"):
        operations.migrate(fleet)


@pytest.mark.parametrize("kind", ["migrate", "down"])
def test_killed_migrations_and_downs_are_nothing_to_resume(site, kind):
    site.journal.write("x", "begin", data={"kind": kind, "release": "1.0.1"})
    site.journal.write("x", "intent", kind)
    assert interrupted.of_journal(site.journal.newest()) is None
    interrupted.refuse(Fleet((site,)))


def test_what_may_be_running_elsewhere_is_not_called_finished(planned, monkeypatch):
    """A deployer on another machine was killed a moment ago: its lock still looks alive."""
    site, fleet = planned, Fleet((planned,))
    assert kill([deploy_host_rollout(site)], monkeypatch, 6, after=True)
    elsewhere = replace(
        this_process("deploy 1.0.1", 60.0),
        actor=Actor(login="ann", host="elsewhere"),
        where="another boot",
    )
    site.host.files.write(site.state.lock, elsewhere.content())
    for way in (operations.abort, operations.resume):
        with pytest.raises(Locked, match=r"ann on .* is running deploy 1\.0\.1"):
            way(fleet)


def test_the_hold_is_there_before_the_end_is(site, monkeypatch):
    Executor([deploy_host_rollout(site)], Silent()).run()
    part, write = rollback_host_rollout(site), type(site.journal).write
    found = []

    def seen(self, operation, event, *arguments, **options):
        if event == "end":
            found.append(hold.read(site.host.files, site.state))
        return write(self, operation, event, *arguments, **options)

    monkeypatch.setattr(type(site.journal), "write", seen)
    Operation((part,), hold_reason="rolled back from 1.0.1", supersedes=True).run(Silent())
    assert [item.reason for item in found] == ["rolled back from 1.0.1"]


def killed_at_end(site, monkeypatch, *, after):
    """A rollback that dies right before or right after it writes its end."""
    write = type(site.journal).write

    def dying(self, operation, event, *arguments, **options):
        if event == "end" and not after:
            raise Killed
        done = write(self, operation, event, *arguments, **options)
        if event == "end":
            raise Killed
        return done

    operation = Operation(
        (rollback_host_rollout(site),), hold_reason="rolled back", supersedes=True
    )
    with monkeypatch.context() as patched:
        patched.setattr(type(site.journal), "write", dying)
        with pytest.raises(Killed):
            operation.run(Silent())
    site.journal._last = None


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("lost", [False, True])
def test_a_rollback_killed_around_its_end_leaves_a_hold(planned, monkeypatch, after, lost):
    site, fleet = planned, Fleet((planned,))
    Executor([deploy_host_rollout(site)], Silent()).run()
    killed_at_end(site, monkeypatch, after=after)
    assert hold.read(site.host.files, site.state)
    if after:
        assert interrupted.found(fleet) is None
        return
    if lost:
        # As 0.6.0 left it.
        hold.lift(site.host.files, site.state)
    left = interrupted.require(fleet)
    interrupted.close(fleet, left)
    assert hold.read(site.host.files, site.state).reason == "rolled back from 1.0.1: a bug"
    assert interrupted.found(fleet) is None


def test_a_hold_that_cannot_be_set_is_told_and_set_by_a_resume(site, monkeypatch):
    Executor([deploy_host_rollout(site)], Silent()).run()
    operation = Operation(
        (rollback_host_rollout(site),), hold_reason="rolled back", supersedes=True
    )

    def full(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(hold, "put", full)
        with pytest.raises(TowlineError, match=r"1\.0\.0 serves all traffic, but prod") as error:
            operation.run(Silent())
    assert "inv deploy.resume --env prod" in error.value.remedy
    assert serving(site) == "1.0.0"
    assert interrupted.found(Fleet((site,))).kind == "rollback"


def test_a_plan_that_somebody_overtook_is_outdated_and_made_anew(site):
    """Two operators: the second waits for the first, and its plan is of before."""
    site.keep("1.0.2")
    second = HostRollout(site, deploy_plan(site, site.store.get("1.0.2")))
    first = Executor([deploy_host_rollout(site)], Silent())
    thread = threading.Thread(target=first.run)
    with lock.held(site.host.files, site.state.lock, "nothing"):
        first.wait = 60
        thread.start()
    thread.join()
    with pytest.raises(PlanOutdated, match=r"1\.0\.1 is live now") as error:
        Executor([second], Silent(), wait=60).run()
    assert isinstance(error.value, UsageError)
    turn = Turn(60)
    turn.wait(Fleet((site,)), "deploy", print)
    Executor([HostRollout(site, deploy_plan(site, site.store.get("1.0.2")))], Silent()).run()
    assert serving(site) == "1.0.2"


def test_a_turn_waits_for_others_and_says_for_whom(site):
    said, ends = [], threading.Event()
    thread = meanwhile(site, lambda: ends.wait(60))
    Turn(0).wait(Fleet((site,)), "deploy", said.append)
    assert thread.is_alive()
    threading.Timer(0.3, ends.set).start()
    turn = Turn(60)
    turn.wait(Fleet((site,)), "deploy", said.append)
    thread.join(60)
    assert not thread.is_alive()
    assert len(said) == 1
    assert "rollback (lock held since" in said[0]
    assert 0 < turn.left < 60
    assert not site.state.lock.exists()


def test_a_turn_that_is_too_short_says_who_holds_the_lock(site):
    with (
        lock.held(site.host.files, site.state.lock, "rollback"),
        pytest.raises(Locked, match="is running rollback"),
    ):
        Turn(0.3).wait(Fleet((site,)), "deploy", print)


@pytest.mark.parametrize(
    "content",
    [b"null", b"[]", b"7", b"{}", b"\xff", b"[" * 50_000, b'{"reason": 3}',
     b'{"reason": "x", "user": "u", "machine": "m", "since": 5}',
     b'{"reason": "x", "user": "u", "machine": "m", "since": "", "more": ""}'],
)  # fmt: skip
def test_a_hold_with_wrong_content_holds_and_names_its_file(site, content):
    site.state.hold.parent.mkdir(exist_ok=True, parents=True)
    site.state.hold.write_bytes(content)
    with pytest.raises(CheckFailed, match=r"hold\.json cannot be read") as error:
        hold.refuse(site.host.files, site.state, "prod")
    assert "inv hold.lift" in error.value.remedy
    assert "cannot be read" in str(hold.lift(site.host.files, site.state))
    assert hold.read(site.host.files, site.state) is None
