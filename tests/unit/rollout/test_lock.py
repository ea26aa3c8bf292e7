import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from towline import process_identity
from towline.errors import ConnectionLost, Locked, TowlineError, UsageError
from towline.hosts.local import LocalFiles
from towline.state import lock
from towline.state.actor import Actor
from towline.state.lock_file import this_process
from towline.state.takeover import Watch

FILES = LocalFiles()


def test_it_is_free_again_after_the_body(tmp_path):
    path = tmp_path / "lock"
    with lock.held(FILES, path, "deploy 1.0.0"):
        assert lock.read(FILES, path).operation == "deploy 1.0.0"
    assert not path.exists()


def test_it_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="x"), lock.held(FILES, tmp_path / "lock", "deploy"):
        raise ValueError("x")
    assert not (tmp_path / "lock").exists()


def test_a_second_one_is_told_who_holds_it(tmp_path):
    path = tmp_path / "lock"
    with (
        lock.held(FILES, path, "deploy 1.0.0"),
        pytest.raises(Locked, match=r"deploy 1\.0\.0") as error,
        lock.held(FILES, path, "rollback"),
    ):
        pass
    assert error.value.exit_code == 5


def test_a_dead_process_of_this_machine_frees_it_at_once(tmp_path):
    path = tmp_path / "lock"
    code = (
        "import sys, os; from pathlib import Path; from towline.hosts.local import LocalFiles;"
        "from towline.state import lock;"
        "h = lock.held(LocalFiles(), Path(sys.argv[1]), 'deploy'); h.__enter__(); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == 9
    assert path.exists()
    with lock.held(FILES, path, "rollback") as holder:
        assert lock.read(FILES, path).token == holder.token


def test_an_expired_lease_of_another_machine_is_taken(tmp_path):
    path = tmp_path / "lock"
    _write(path, machine="elsewhere", age=61)
    with lock.held(FILES, path, "deploy"):
        pass
    assert [item.name for item in tmp_path.iterdir()] == ["fence"]


def test_a_valid_lease_of_another_machine_is_respected(tmp_path):
    path = tmp_path / "lock"
    _write(path, machine="elsewhere", age=30)
    with pytest.raises(Locked, match="elsewhere"), lock.held(FILES, path, "deploy"):
        pass


def test_a_torn_lock_belongs_to_nobody(tmp_path):
    (tmp_path / "lock").write_text('{"token": "x')
    with lock.held(FILES, tmp_path / "lock", "deploy"):
        pass


def test_of_many_racers_one_wins(tmp_path):
    path = tmp_path / "lock"
    for race in range(10):
        _write(path, machine="elsewhere", age=61)

        def take(_, path=path):
            try:
                holder = this_process("deploy", 60.0)
                lock._take(FILES, path, holder, 0.0, print)
            except Locked:
                return None
            else:
                return holder

        with ThreadPoolExecutor(8) as pool:
            winners = [holder for holder in pool.map(take, range(8)) if holder]
        assert len(winners) == 1, f"race {race}"
        assert lock.read(FILES, path).token == winners[0].token
        path.unlink()


def _write(path, *, machine, age):
    holder = lock.Holder("t", "ann", machine, os.getpid(), "deploy 1", "then", "another boot")
    path.write_text(json.dumps(asdict(holder)))
    written = time.time() - age
    os.utime(path, (written, written))


def test_a_process_of_the_same_name_elsewhere_is_not_dead(tmp_path):
    path = tmp_path / "lock"
    # No such process here, on a machine that is called like this one.
    holder = lock.Holder("t", "ann", socket.gethostname(), 2**22 + 1, "deploy 1", "then", "other")
    path.write_text(json.dumps(asdict(holder)))
    with pytest.raises(Locked, match="ann"), lock.held(FILES, path, "deploy"):
        pass
    path.write_text(json.dumps({**asdict(holder), "where": process_identity.here()}))
    with lock.held(FILES, path, "deploy"):
        pass


def test_a_lock_with_words_of_another_version_still_names_its_holder(tmp_path):
    path = tmp_path / "lock"
    _write(path, machine="elsewhere", age=0)
    path.write_text(json.dumps({**json.loads(path.read_text()), "expires": 1.0, "more": []}))
    with pytest.raises(Locked, match="ann on elsewhere"), lock.held(FILES, path, "deploy"):
        pass


def test_each_holder_has_a_higher_number(tmp_path):
    path = tmp_path / "lock"
    numbers = []
    for _ in range(3):
        with lock.held(FILES, path, "deploy") as holder:
            numbers.append(holder.fence)
            lock.check(FILES, path, holder)
    assert numbers == [1, 2, 3]


def test_a_holder_that_slept_past_its_lease_may_not_act(tmp_path):
    path = tmp_path / "lock"
    with lock.held(FILES, path, "deploy 1.0.0") as sleeper:
        _write(path, machine="elsewhere", age=61)
        with lock.held(FILES, path, "rollback"):
            with pytest.raises(lock.Fenced, match="rollback") as error:
                lock.check(FILES, path, sleeper)
            assert error.value.exit_code == 5
        # It ended by now; the sleeper is still too late.
        with pytest.raises(lock.Fenced, match="it was freed"):
            lock.check(FILES, path, sleeper)


def test_waiting_for_another_to_end(tmp_path):
    path = tmp_path / "lock"
    with ThreadPoolExecutor(1) as pool:
        with lock.held(FILES, path, "first"):
            second = pool.submit(_hold_a_moment, path)
            time.sleep(0.3)
            assert not second.done()
        assert second.result(60) == "second"
    with (
        lock.held(FILES, path, "first"),
        pytest.raises(Locked, match="first"),
        lock.held(FILES, path, "second", wait=0.3),
    ):
        pass


def _hold_a_moment(path):
    with lock.held(FILES, path, "second", wait=60) as holder:
        return holder.operation


def test_a_lock_can_be_taken_away_from_whoever_has_it_and_nobody_else(tmp_path):
    path = tmp_path / "lock"
    with lock.held(FILES, path, "first") as holder:
        assert lock.free(FILES, path, holder)
        assert not lock.free(FILES, path, holder)
        with lock.held(FILES, path, "second"):
            assert not lock.free(FILES, path, holder)


def test_a_hundred_races_of_two_have_one_winner_each(tmp_path):
    path = tmp_path / "lock"

    def race(start, done):
        start.wait()
        try:
            with lock.held(FILES, path, "deploy"):
                done.wait(60)
                return 0
        except Locked as error:
            done.set()
            return error.exit_code

    with ThreadPoolExecutor(2) as pool:
        for _ in range(100):
            start, done = threading.Barrier(2), threading.Event()
            codes = [pool.submit(race, start, done) for _ in range(2)]
            assert sorted(code.result(60) for code in codes) == [0, 5]
            assert lock.read(FILES, path) is None


class Clock(LocalFiles):
    """The files of a host whose clock is wrong by some seconds."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong = wrong

    def age(self, path):
        return super().age(path) + self.wrong


def left_behind(path, lease=0.4):
    """The lock of a deployer that died elsewhere, where nobody here can look."""
    own = this_process("deploy 1", lease)
    holder = replace(own, actor=Actor(host="elsewhere"), where="another boot")
    FILES.write(path, holder.content())
    return holder


@pytest.mark.parametrize("wrong", [-3600, 3600])
def test_a_lock_that_is_renewed_is_kept_whatever_the_clock_of_the_host(
    tmp_path, monkeypatch, wrong
):
    # Long enough for a thread that renews it on a busy machine.
    monkeypatch.setattr(lock, "LEASE", 1.0)
    path, said = tmp_path / "lock", []
    with lock.held(FILES, path, "deploy 1.0.0") as holder:
        with (
            pytest.raises(Locked, match=r"is running deploy 1\.0\.0"),
            lock.held(Clock(wrong), path, "rollback", say=said.append),
        ):
            pass
        with (
            pytest.raises(Locked, match=r"is running deploy 1\.0\.0"),
            lock.held(Clock(wrong), path, "rollback", wait=1.5),
        ):
            pass
        lock.check(FILES, path, holder)
    assert len(said) == 1
    assert "looks stale" in said[0]


@pytest.mark.parametrize("wrong", [-3600, 3600])
def test_a_dead_lock_is_taken_after_a_lease_whatever_the_clock_of_the_host(tmp_path, wrong):
    path, said = tmp_path / "lock", []
    left_behind(path)
    begun = time.monotonic()
    with lock.held(Clock(wrong), path, "rollback", say=said.append):
        assert 0.4 < time.monotonic() - begun < 60
    assert "elsewhere: deploy 1 looks stale" in said[0]


def test_who_does_not_wait_is_refused_at_once_while_a_lock_looks_alive(tmp_path):
    path = tmp_path / "lock"
    left_behind(path, lease=60)
    begun = time.monotonic()
    with pytest.raises(Locked, match="elsewhere"), lock.held(FILES, path, "rollback"):
        pass
    assert time.monotonic() - begun < 30
    assert lock.living(FILES, path)
    assert lock.living(Clock(3600), path) is None
    assert lock.living(Clock(-3600), path) is None


def test_who_waits_sees_that_a_holder_is_gone(tmp_path):
    path, said = tmp_path / "lock", []
    left_behind(path)
    with lock.held(FILES, path, "rollback", wait=60, say=said.append):
        assert "waiting for" in said[0]


def test_of_many_that_watch_a_dead_lock_one_takes_it(tmp_path):
    path = tmp_path / "lock"
    left_behind(path)
    inside, most = [], []

    def take(number):
        with lock.held(Clock(3600), path, f"deploy {number}", wait=60):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.05)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take, range(4)))
    assert most == [1, 1, 1, 1]


def test_a_claim_whose_maker_died_is_forgotten_by_the_takers_own_clock(tmp_path):
    path = tmp_path / "lock"
    old = left_behind(path)
    (tmp_path / f"lock.claim-{old.token}").touch()
    now = [0.0]
    watch = Watch(Clock(-3600), path, clock=lambda: now[0])
    assert not watch.take_over(old, b"{}")
    now[0] = 9.0
    assert not watch.take_over(old, b"{}")
    now[0] = 11.0
    assert not watch.take_over(old, b"{}")
    assert watch.take_over(old, b"{}")
    assert path.read_bytes() == b"{}"


def test_a_renewal_in_the_last_moment_is_respected(tmp_path):
    path = tmp_path / "lock"
    old = left_behind(path)
    FILES.write(path, replace(old, beat=1).content())
    assert not Watch(FILES, path).take_over(old, b"{}")


def test_a_slow_host_does_not_make_its_holder_look_slow(tmp_path):
    path, now = tmp_path / "lock", [0.0]
    left_behind(path, lease=10)

    class Slow(LocalFiles):
        def read(self, path):
            now[0] += 9
            return super().read(path)

    watch = Watch(Slow(), path, clock=lambda: now[0])
    assert [watch.look().stale for _ in range(3)] == [False, False, False]
    assert watch.look().stale


SOUND = {
    "token": "abc",
    "user": "ann",
    "machine": "m",
    "pid": 7,
    "operation": "deploy",
    "since": "",
}


@pytest.mark.parametrize(
    "content",
    [
        b"null", b"[]", b'"x"', b"7", b"", b"\xff", b"[" * 50_000,
        *(
            json.dumps({**SOUND, **change}).encode()
            for change in (
                {"token": 5}, {"token": "../../x"}, {"user": None}, {"pid": "7"}, {"pid": -1},
                {"pid": 1 << 40}, {"lease": "long"}, {"lease": 1e12}, {"lease": -1},
                {"lease": float("nan")}, {"fence": []}, {"beat": "x"}, {"where": 3}, {"since": {}},
            )
        ),
    ],
)  # fmt: skip
def test_a_lock_file_with_wrong_content_belongs_to_nobody(tmp_path, content):
    path = tmp_path / "lock"
    path.write_bytes(content)
    assert lock.read(FILES, path).user == "unknown"
    assert lock.living(FILES, path) is None
    with lock.held(FILES, path, "deploy") as holder:
        lock.check(FILES, path, holder)


def test_what_is_sound_is_somebodys(tmp_path):
    (tmp_path / "lock").write_text(json.dumps(SOUND))
    assert lock.read(FILES, tmp_path / "lock").user == "ann"


class Away(LocalFiles):
    """The files of a host that answers only after some questions, or whose answer is an error."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.asked = 0

    def read(self, path):
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return super().read(path)


LOST = [
    ConnectionResetError("reset"),
    TowlineError("lab1 cannot be reached"),
    UsageError("SSH authentication failed"),
    ConnectionLost("the connection to lab1 was lost"),
    TimeoutError("timed out"),
    OSError("Socket is closed"),
]


def test_a_host_that_does_not_answer_is_asked_until_it_does(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_POLL", 0.001)
    path = tmp_path / "lock"
    with lock.held(FILES, path, "deploy 1.0.0") as holder:
        away = Away(*LOST)
        lock.check(away, path, holder)
        assert away.asked == len(LOST) + 2
    # And when it is back, what it says counts.
    with pytest.raises(lock.Fenced, match="it was freed") as error:
        lock.check(Away(*LOST), path, holder)
    assert not isinstance(error.value, lock.Unproven)


@pytest.mark.parametrize("lost", LOST)
def test_what_cannot_be_proven_is_not_acted_upon(tmp_path, monkeypatch, lost):
    monkeypatch.setattr(lock, "_POLL", 0.001)
    path = tmp_path / "lock"
    with lock.held(FILES, path, "deploy 1.0.0") as holder:
        with pytest.raises(lock.Unproven, match="does not say who holds the lock") as error:
            lock.check(Away(*[lost] * 10_000), path, holder, limit=0.05)
        assert error.value.exit_code == 5
        assert isinstance(error.value, lock.Fenced)


def test_a_bug_is_no_missing_answer(tmp_path):
    path = tmp_path / "lock"
    with (
        lock.held(FILES, path, "deploy 1.0.0") as holder,
        pytest.raises(ZeroDivisionError),
    ):
        lock.check(Away(ZeroDivisionError()), path, holder)
