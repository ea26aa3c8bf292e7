"""The executor on an engine in memory: whatever fails, the old release serves everything again."""

import contextlib
import errno
import signal
import time

import pytest
from fakes import FakeHostEnvironment

from towline.config.services import Role
from towline.environments.host_environment import observe
from towline.errors import ManualInterventionRequired, RolledBack, TowlineError, UsageError
from towline.hosts.local import LocalHost
from towline.progress import Silent, StepNote
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import HostRollout
from towline.rollout.planner import Baseline, Candidate, PlanInputs, plan_deploy, plan_rollback
from towline.rollout.stages import StrategySettings
from towline.state import lock
from towline.state.journal import Journal, unfinished
from towline.state.releases import Status

ROLES = {"api": Role.APP, "worker": Role.WORKER, "migrate": Role.JOB, "db": Role.BACKING,
         "nginx": Role.ROUTER}  # fmt: skip
NOTHING = Baseline({}, {})


def candidate(release, **changes):
    given = {
        "id": release.id, "version": release.version, "commit": "c",
        "fingerprint": release.fingerprint, "retained": release, "images": {},
        "to_build": (), "to_pull": (), "files": {}, "variables": {},
        "migrations": {}, "roles": ROLES, **changes,
    }  # fmt: skip
    return Candidate(**given)


def deploy_plan(site, release, strategy="blue-green", **changes):
    rollout = site.rollout.model_copy(update={"strategy": strategy})
    return plan_deploy(inputs(site), candidate(release, **changes), rollout)


def inputs(site):
    return PlanInputs("shop", "prod", site.state, observe(site), NOTHING, site.engine.commands,
                 settings=StrategySettings(site.rollout))  # fmt: skip


def events(site):
    return [(entry["event"], entry["step"]) for entry in site.journal.entries()]


@pytest.fixture
def site(tmp_path):
    """1.0.0 is live in blue, 1.0.1 is retained and new."""
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0"))
    site.keep("1.0.1")
    return site


def run(site, plan, **changes):
    Executor([HostRollout(site, plan, **changes)], Silent()).run()


@pytest.mark.parametrize("strategy", ["blue-green", "recreate"])
def test_a_deploy_ends_with_the_new_release_alone(site, strategy):
    plan = deploy_plan(site, site.store.get("1.0.1"), strategy)
    run(site, plan)
    engine = site.engine
    assert engine.shares == {"green": 100}
    assert engine.containers["green", "api"] == ("1.0.1", True)
    assert engine.containers["green", "worker"] == ("1.0.1", True)
    assert engine.containers["blue", "api"] == ("1.0.0", False)
    assert engine.containers["blue", "worker"] == ("1.0.0", False)
    assert site.store.get("1.0.1").status is Status.GOOD
    assert not site.state.lock.exists()
    assert site.journal.verify() == []
    assert unfinished(site.journal.entries()) is None
    intents = [step for event, step in events(site) if event == "intent"]
    assert intents == [step.name for step in plan.steps]


def test_blue_green_keeps_traffic_on_the_old_until_the_switch(site):
    run(site, deploy_plan(site, site.store.get("1.0.1")))
    calls = site.engine.calls
    assert calls.index("route {'blue': 100}") < calls.index("route {'green': 100}")
    assert calls.index("start 1.0.1 api") < calls.index("route {'green': 100}")
    assert calls.index("route {'green': 100}") < calls.index("stop blue api")
    assert calls.index("job migrate") < calls.index("start 1.0.1 api")


FAILING = ["settle 1.0.1", "job migrate", "start 1.0.1 api", "start 1.0.1 worker",
           "route {'green': 100}"]  # fmt: skip


@pytest.mark.parametrize("strategy", ["blue-green", "recreate"])
@pytest.mark.parametrize("what", FAILING)
def test_whatever_fails_the_old_release_serves_again(site, what, strategy):
    plan = deploy_plan(site, site.store.get("1.0.1"), strategy)
    site.engine.fail_on = {what}
    with pytest.raises(RolledBack, match=r"1\.0\.0 serves all traffic") as error:
        run(site, plan)
    assert error.value.exit_code == 4
    assert what in error.value.message
    engine = site.engine
    assert engine.shares == {"blue": 100}
    assert engine.containers["blue", "api"] == ("1.0.0", True)
    assert engine.containers["blue", "worker"] == ("1.0.0", True)
    assert not engine.containers.get(("green", "api"), ("", False))[1]
    retained = site.store.get("1.0.1")
    assert retained.status is Status.BAD
    assert what in retained.reason
    assert not site.state.lock.exists()
    assert events(site)[-1] == ("end", "")
    assert site.journal.entries()[-1]["data"]["rolled_back"] is True


def test_a_crash_is_told_with_the_last_lines_without_secrets(site):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    site.engine.crash = {("1.0.1", "api")}
    with pytest.raises(RolledBack, match="exited with code 3") as error:
        run(site, plan)
    said = "\n".join(error.value.details)
    assert "last lines of green-api-1" in said
    assert "green-api-1 says [redacted]" in said
    retained = site.state.releases / "1.0.1" / "logs" / "green-api-1.log"
    assert "[redacted]" in retained.read_text()
    assert "inv deploy --env prod" in error.value.remedy


def test_when_going_back_fails_too_a_person_is_asked(site):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    site.engine.fail_on = {"start 1.0.1 api", "settle 1.0.0"}
    with pytest.raises(
        ManualInterventionRequired, match="its rollback also failed: settle"
    ) as error:
        run(site, plan)
    assert error.value.exit_code == 6
    assert not site.state.lock.exists()


def test_who_stops_a_deploy_does_not_wait_for_its_build(site):
    plan = deploy_plan(site, site.store.get("1.0.1"), retained=None, to_build=("api",))

    def build(check_cancelled):
        executor._interrupt.asked = "SIGINT"
        return LocalHost().run(["sleep", "60"], check_cancelled=check_cancelled).out

    executor = Executor([HostRollout(site, plan, preparations={"build": build})], Silent())
    began = time.monotonic()
    with pytest.raises(TowlineError, match="SIGINT at step build; nothing was changed") as error:
        executor.run()
    assert time.monotonic() - began < 30
    assert error.value.exit_code == 1
    assert "begins again" in error.value.remedy
    assert site.engine.calls == []
    assert not site.state.lock.exists()


def test_a_failing_build_changes_nothing(site):
    plan = deploy_plan(site, site.store.get("1.0.1"), retained=None, to_build=("api",))
    before = dict(site.engine.containers)

    def build(check_cancelled):
        raise TowlineError("the build of api failed", remedy="fix it")

    with pytest.raises(TowlineError, match="nothing was changed") as error:
        run(site, plan, preparations={"build": build})
    assert type(error.value) is TowlineError
    assert error.value.exit_code == 1
    assert site.engine.containers == before
    assert site.engine.calls == []


def test_on_a_host_that_was_changed_before_it_begins_even_that_brings_back_the_old(site):
    """What was left half done, such as a rollout that waited for a person, does not stay so."""
    plan = deploy_plan(site, site.store.get("1.0.1"), retained=None, to_build=("api",))

    def build(check_cancelled):
        raise TowlineError("the build of api failed", remedy="fix it")

    with pytest.raises(RolledBack, match=r"1\.0\.0 serves all traffic"):
        run(site, plan, preparations={"build": build}, touched=True)


def test_a_first_deploy_that_fails_leaves_nothing_running(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    plan = deploy_plan(site, site.keep("1.0.1"))
    site.engine.fail_on = {"route {'blue': 100}"}
    with pytest.raises(TowlineError, match="nothing served before") as error:
        run(site, plan)
    assert error.value.exit_code == 1
    assert site.engine.containers["blue", "api"] == ("1.0.1", False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_goes_back_at_the_next_safe_point(site, number):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    job = site.engine.run_job

    def interrupted(*arguments, **options):
        signal.raise_signal(number)
        return job(*arguments, **options)

    site.engine.run_job = interrupted
    with pytest.raises(RolledBack) as error:
        run(site, plan)
    said = f"1.0.1 was interrupted by {number.name} at step migrate; 1.0.0 serves all traffic"
    assert error.value.message == f"deploy {said}"
    assert error.value.remedy == "`inv deploy --env prod` begins again"
    assert site.engine.shares == {"blue": 100}
    assert site.store.get("1.0.1").status is Status.NEW
    assert "start 1.0.1 api" not in site.engine.calls


def test_asking_again_does_not_interrupt_the_way_back(site):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    reconcile = site.engine.reconcile

    def interrupted(release, *rest, **how):
        signal.raise_signal(signal.SIGINT)
        return reconcile(release, *rest, **how)

    site.engine.reconcile = interrupted
    with pytest.raises(RolledBack, match="interrupted by SIGINT"):
        run(site, plan)
    assert site.engine.calls.count("settle 1.0.0") == 1
    assert site.engine.shares == {"blue": 100}


def test_a_proven_release_is_not_taken_back_because_tidying_up_failed(site, monkeypatch):
    plan = deploy_plan(site, site.store.get("1.0.1"))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(site.store, "mark", full)
    with pytest.raises(
        TowlineError, match=r"1\.0\.1 is live; left to do: localhost: mark 1\.0\.1"
    ) as error:
        run(site, plan)
    assert error.value.exit_code == 1
    assert site.engine.shares == {"green": 100}


def test_a_journal_that_cannot_be_written_does_not_stop_the_way_back(site, monkeypatch):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    files = type(site.host.files)
    append = files.append

    def full(self, path, data):
        if b'"switch"' in data or b"restore" in data or b'"end"' in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, path, data)

    monkeypatch.setattr(files, "append", full)
    with pytest.raises(RolledBack, match="No space left"):
        run(site, plan)
    assert site.engine.shares == {"blue": 100}


def test_open_connections_are_waited_for_and_then_cut(site):
    site.engine.open = 1
    run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert site.engine.drained > 1
    notes = [e["data"].get("note", "") for e in site.journal.entries() if e["step"] == "finish"]
    assert "were cut after a drain time of 0.2 s" in notes[-1]


def test_open_connections_of_a_release_that_failed_are_waited_for_too(site):
    """The switch was done when it failed: requests are under way on the new release."""
    plan = deploy_plan(site, site.store.get("1.0.1"))
    switched, stop, seen = site.engine.route, site.engine.stop, []

    def fail(release, shares):
        switched(release, shares)
        if shares == {"green": 100}:
            raise TowlineError("the watch found errors")
        site.engine.open = 1

    def stopped(slot, services):
        if services == ["api"]:
            seen.append((slot, site.engine.drained > 1))
        stop(slot, services)

    site.engine.route, site.engine.stop = fail, stopped
    with pytest.raises(RolledBack):
        run(site, plan)
    assert seen == [("green", True)]


def test_a_rollback_starts_what_was_kept_and_marks_what_it_left(site):
    run(site, deploy_plan(site, site.store.get("1.0.1")))
    target = site.store.get("1.0.0")
    plan = plan_rollback(inputs(site), candidate(target), target)
    run(site, plan, reason="a bug")
    assert site.engine.shares == {"blue": 100}
    assert site.engine.containers["blue", "worker"] == ("1.0.0", True)
    assert site.engine.containers["green", "api"] == ("1.0.1", False)
    left = site.store.get("1.0.1")
    assert (left.status, left.reason) == (Status.BAD, "a bug")


def test_the_plan_is_refused_when_someone_was_faster(site):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    site.serve(site.store.get("1.0.1"), "green")
    site.engine.containers["blue", "worker"] = ("1.0.0", False)
    with pytest.raises(UsageError, match="changed since the plan was made"):
        run(site, plan)
    assert site.engine.calls == []


def test_nothing_happens_under_someone_elses_lock(site):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    with (
        lock.held(site.host.files, site.state.lock, "other"),
        pytest.raises(TowlineError, match="other") as error,
    ):
        run(site, plan)
    assert error.value.exit_code == 5
    assert site.engine.calls == []


def test_what_is_live_is_not_deployed_again(site):
    site.engine.fail_on = {"settle 1.0.0"}
    plan = deploy_plan(site, site.store.get("1.0.0"))
    assert plan.nothing_to_do
    run(site, plan)
    assert site.engine.calls == []
    assert list(plan.lines()) == ["1.0.0 is already live in prod: nothing to do"]


def test_a_deploy_killed_after_its_switch_is_finished_by_the_next_one(site):
    site.engine.containers["green", "api"] = ("1.0.1", True)
    site.engine.containers["blue", "worker"] = ("1.0.0", False)
    site.engine.containers["green", "worker"] = ("1.0.1", True)
    site.engine.shares = {"green": 100}
    plan = deploy_plan(site, site.store.get("1.0.1"))
    assert [step.name for step in plan.steps] == ["switch", "finish", "finalize"]
    run(site, plan)
    assert site.engine.containers["blue", "api"] == ("1.0.0", False)
    assert site.store.get("1.0.1").status is Status.GOOD


def test_a_live_release_that_lost_its_worker_is_deployed_again(site):
    site.engine.containers["blue", "worker"] = ("1.0.0", False)
    plan = deploy_plan(site, site.store.get("1.0.0"))
    assert not plan.nothing_to_do
    run(site, plan)
    assert site.engine.containers["green", "worker"] == ("1.0.0", True)
    assert site.engine.shares == {"green": 100}


def test_a_deployer_that_lost_its_lock_does_no_further_step(site):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    job = site.engine.run_job

    def paused(*arguments, **options):
        """Another one takes the lock, works and goes on writing the journal."""
        site.state.lock.unlink()
        with lock.held(site.host.files, site.state.lock, "rollback"):
            other = Journal(site.host.files, site.state.journal)
            other.write("other", "begin", data={"kind": "rollback"})
            other.write("other", "end", data={"ok": True})
        return job(*arguments, **options)

    site.engine.run_job = paused
    with pytest.raises(lock.Fenced) as error:
        run(site, plan)
    assert error.value.exit_code == 5
    assert site.engine.shares == {"blue": 100}
    assert "start 1.0.1 api" not in site.engine.calls
    assert [entry["op"] for entry in site.journal.entries()][-2:] == ["other", "other"]
    assert site.journal.verify() == []


class Closed:
    """A terminal whose reader is gone: each thing shown fails."""

    def __init__(self, when):
        self.when = when

    @contextlib.contextmanager
    def step(self, title):
        if self.when == "begin":
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        try:
            yield StepNote()
        finally:
            if self.when == "end":
                raise OSError(errno.EIO, "Input/output error")

    def say(self, text):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize("when", ["begin", "end"])
def test_an_output_that_fails_does_not_decide_on_a_release(site, when):
    Executor([HostRollout(site, deploy_plan(site, site.store.get("1.0.1")))], Closed(when)).run()
    assert site.engine.shares == {"green": 100}
    assert site.journal.entries()[-1]["data"] == {"ok": True}


@pytest.mark.parametrize("when", ["begin", "end"])
def test_an_output_that_fails_does_not_hide_why_a_release_failed(site, when):
    site.engine.fail_on = {"job migrate"}
    with pytest.raises(RolledBack, match=r"job migrate does not work; 1\.0\.0 serves"):
        Executor(
            [HostRollout(site, deploy_plan(site, site.store.get("1.0.1")))], Closed(when)
        ).run()
    assert site.engine.shares == {"blue": 100}
