"""A sleeper is woken before each act, on the way forward and back, with and without a network."""

import inspect
import threading
import time

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan

from towline.engines.base import Engine
from towline.environments import fence
from towline.environments.fence import ENGINE_ACTS, ENGINE_LOOKS, Fence, fenced, if_possible
from towline.errors import ConnectionLost, EngineRefused, RolledBack
from towline.hosts.base import Files
from towline.hosts.guard import FILES_LOOK, guarded_host
from towline.hosts.local import LocalFiles, LocalHost
from towline.progress import Silent
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import HostRollout
from towline.state import lock
from towline.state.journal import Journal
from towline.state.releases import Status

WAYS = {
    "forward": set(),
    "back from the start": {"start 1.0.1 api"},
    "back from the switch": {"route {'green': 100}"},
}
NETWORKS = {"up": 0, "back after a while": 3, "away": 10_000}


class Clock:
    """What a process that sleeps reads when it wakes."""

    def __init__(self):
        self.slept = 0.0

    def __call__(self):
        return time.monotonic() + self.slept


class Sleeper:
    """Sleeps before act `number`, while another one takes the lock and works."""

    def __init__(self, folder, monkeypatch, way, number=0, unanswered=0):
        self.number, self.unanswered = number, unanswered
        self.clock, self.acts, self.before = Clock(), 0, None
        prove, read = Fence.prove, LocalFiles.read

        def woken(one, age=0.0, host=""):
            if one._check and age < 5:  # whoever only waits comes again and again
                self.acts += 1
                if self.acts == number:
                    self.sleep()
            return prove(one, age, host)

        def answer(files, path):
            if self.before and path.name == "lock" and self.unanswered:
                self.unanswered -= 1
                raise ConnectionResetError("the network is not up yet")
            return read(files, path)

        monkeypatch.setattr(fence, "now", self.clock)
        monkeypatch.setattr(Fence, "prove", woken)
        monkeypatch.setattr(LocalFiles, "read", answer)
        monkeypatch.setattr(lock, "_POLL", 0.0001)
        # What asks the fence is bound when it is made.
        self.site, self.part = an_environment(
            folder / str(number) / "prod", WAYS[way], 0.05 if unanswered > 99 else 9.0
        )

    def run(self):
        Executor([self.part], Silent()).run()

    def sleep(self):
        self.clock.slept += 100
        files, state = LocalFiles(), self.site.state
        state.lock.unlink()
        with lock.held(files, state.lock, "abort"):
            other = Journal(files, state.journal)
            other.write("other", "begin", data={"kind": "abort"})
            other.write("other", "end", data={"ok": True})
        self.before = self.seen()

    def seen(self):
        """All that can be changed: containers, traffic and files."""
        engine, root = self.site.engine, self.site.folder
        files = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        return list(engine.calls), dict(engine.containers), dict(engine.shares), files


def an_environment(folder, fail_on, reconnect):
    site = FakeHostEnvironment(folder)
    # Some of these are forgotten in the end.
    for number in range(4):
        version, created = f"0.9.{number}", f"2025-01-01T00:00:0{number}"
        images = {"api": f"api:{version}"}
        site.keep(version, images=images, status=Status.GOOD, created=created)
    site.serve(site.keep("1.0.0"))
    site.keep("1.0.1")
    site.engine.fail_on = set(fail_on)
    site.rollout = site.rollout.model_copy(update={"reconnect": reconnect, "health_timeout": 0.2})
    return site, HostRollout(site, deploy_plan(site, site.store.get("1.0.1")))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("way", WAYS)
def test_a_sleeper_that_is_woken_before_any_act_does_nothing(tmp_path, monkeypatch, way, network):
    with monkeypatch.context() as patched:
        awake = Sleeper(tmp_path, patched, way)
        with pytest.raises(RolledBack) if WAYS[way] else if_possible():
            awake.run()
    assert awake.acts > 20
    for number in range(1, awake.acts + 1):
        with monkeypatch.context() as patched:
            sleeper = Sleeper(tmp_path, patched, way, number, NETWORKS[network])
            with pytest.raises(lock.Fenced, match="nothing more was done") as error:
                sleeper.run()
        site = sleeper.site
        assert error.value.exit_code == 5
        assert "inv status" in error.value.remedy
        assert isinstance(error.value, lock.Unproven) == (network == "away")
        assert sleeper.seen() == sleeper.before, f"act {number} of {awake.acts}"
        assert site.journal.verify() == []
        assert site.journal.entries()[-1]["op"] == "other"


def test_all_that_an_engine_and_files_can_do_is_an_act_unless_it_only_looks():
    def members(protocol):
        own = protocol.__mro__[:-3]  # without Protocol, Generic and object
        return {name for part in own for name in vars(part) if not name.startswith("_")}

    assert members(Engine) == {*ENGINE_ACTS, *ENGINE_LOOKS}
    changing = {"write", "install", "overwrite", "append", "create", "move", "remove", "mkdir"}
    assert changing & FILES_LOOK == set()
    assert changing <= members(Files)


def test_a_host_asks_before_commands_files_and_what_its_engine_does(tmp_path):
    done, asked = [], []

    class Api:
        def containers(self):
            return ["a"]

        def stop(self, container):
            done.append(container)

    class Client:
        api = Api()

    class Machine(LocalHost):
        def docker(self):
            return Client()

    def refuse():
        asked.append(len(done))
        raise lock.Fenced("lost")

    host = guarded_host(Machine(), refuse)
    path = tmp_path / "file"
    assert host.docker().api.containers() == ["a"]
    assert not host.files.exists(path)
    assert host.name
    assert asked == []
    for act in (
        lambda: host.docker().api.stop("a"),
        lambda: host.run(["touch", str(path)]),
        lambda: host.files.write(path, b""),
        lambda: host.files.append(path, b""),
    ):
        with pytest.raises(lock.Fenced):
            act()
    assert (done, len(asked), path.exists()) == ([], 4, False)


def test_a_proof_is_shared_by_those_who_wait_for_it_and_by_nobody_who_comes_later():
    asked, release = [], threading.Event()

    def check():
        asked.append(1)
        release.wait(60)

    one = Fence()
    with one.armed(check):
        threads = [threading.Thread(target=one.prove) for _ in range(5)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        release.set()
        for thread in threads:
            thread.join(60)
        # The first question was under way when the others came: one more answers all of them.
        assert len(asked) <= 2
        one.prove()
        assert len(asked) >= 2
        before = len(asked)
        one.prove_recently()
        assert len(asked) == before
    one.prove()
    assert len(asked) == before


def test_what_is_lost_is_never_asked_for_again():
    answers = [lock.Fenced("lost"), None]

    def check():
        if (answer := answers.pop(0)) is not None:
            raise answer

    one = Fence()
    with one.armed(check):
        for _ in range(3):
            with pytest.raises(lock.Fenced):
                one.prove()
    assert answers == [None]


def test_the_clock_counts_sleep_and_cannot_be_set():
    assert abs(fence.now() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1
    assert "CLOCK_BOOTTIME" in inspect.getsource(fence.now)


def test_an_engine_is_looked_at_without_a_lock():
    one = Fence()

    def lost():
        raise lock.Fenced("lost")

    class Real:
        host = LocalHost()

        def observe(self):
            return "seen"

        def stop(self, slot, services):
            raise AssertionError

    with one.armed(lost):
        engine = fenced(Real(), one)
        assert engine.observe() == "seen"
        assert engine.host.name
        with pytest.raises(lock.Fenced):
            engine.stop("blue", ["api"])


def test_what_is_optional_is_no_reason_to_stop_but_a_lost_lock_is():
    for error in (OSError("full"), ConnectionLost("no"), EngineRefused("no")):
        with if_possible():
            raise error
    for error in (lock.Fenced("lost"), ZeroDivisionError()):
        with pytest.raises(type(error)), if_possible():
            raise error
