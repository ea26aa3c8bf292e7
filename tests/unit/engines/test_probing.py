"""Commands in containers: their connections come back, and one that hangs is not piled up."""

import threading

import pytest

from towline.engines.compose import probing
from towline.engines.compose.probing import Prober
from towline.errors import NoSuchObject
from towline.health.target import CannotAskError


class Response:
    def __init__(self):
        self.closed = threading.Event()

    def close(self):
        self.closed.set()


class Stream:
    """What the engine's client gives for a command; `parts` of None is one that hangs."""

    def __init__(self, parts):
        self._parts, self._response = parts, Response()

    def __iter__(self):
        if self._parts is None:
            self._response.closed.wait(5)
            return
        yield from self._parts

    def close(self):
        raise RuntimeError("not over SSH")


class Api:
    def __init__(self, parts, code=0):
        self.parts, self.code, self.streams, self.running = parts, code, [], parts is None

    def exec_create(self, container, argv):
        return {"Id": f"{container}-{len(self.streams)}"}

    def exec_start(self, id_, *, stream, demux):
        self.streams.append(Stream(self.parts))
        return self.streams[-1]

    def exec_inspect(self, id_):
        return {"Running": self.running, "ExitCode": self.code}


def test_output_is_kept_to_a_limit_and_the_connection_goes_back():
    api = Api([(b"out", None), (None, b"err"), (b"x" * 200_000, None)], code=3)
    done = Prober(api).run("c", ["true"], 5.0)
    assert (done.code, done.out[:4], len(done.out), done.err) == (3, "outx", 1 << 16, "err")
    assert api.streams[0]._response.closed.is_set()


def test_a_command_that_hangs_is_left_alone_and_not_started_again():
    api = Api(None)
    prober = Prober(api)
    with pytest.raises(TimeoutError, match=r"did not end within 0\.02 s"):
        prober.run("c", ["sleep", "9"], 0.02)
    assert api.streams[0]._response.closed.wait(1)
    with pytest.raises(TimeoutError, match="an earlier one still runs"):
        prober.run("c", ["sleep", "9"], 0.02)
    assert len(api.streams) == 1
    # Another container, or the same once it ended, is asked.
    api.running, api.parts = False, [(b"done", None)]
    assert prober.run("d", ["sleep", "9"], 5.0).out == "done"
    assert prober.run("c", ["sleep", "9"], 5.0).out == "done"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(probing, "_POLL", 0.001)


def test_a_command_that_closes_its_output_is_waited_for(quick):
    api = Api([])
    states = [(True, None), (False, None), (False, 3)]

    def inspect(id_):
        running, code = states.pop(0)
        return {"Running": running, "ExitCode": code}

    api.exec_inspect = inspect
    assert Prober(api).run("c", ["check"], 5.0).code == 3
    assert states == []


def test_a_command_without_output_that_does_not_end_is_one_that_hangs(quick):
    api = Api([], code=None)
    api.running = True
    prober = Prober(api)
    with pytest.raises(TimeoutError, match=r"did not end within 0\.02 s"):
        prober.run("c", ["check"], 0.02)
    with pytest.raises(TimeoutError, match="an earlier one still runs"):
        prober.run("c", ["check"], 0.02)
    assert len(api.streams) == 1


def test_a_command_that_the_engine_has_forgotten_is_started_again():
    api = Api(None)
    prober = Prober(api)
    with pytest.raises(TimeoutError):
        prober.run("c", ["sleep", "9"], 0.02)
    new, known = api.exec_create("c", [])["Id"], api.exec_inspect

    def inspect(id_):
        if id_ != new:
            raise NoSuchObject("gone", status=404, explanation="no such exec")
        return known(id_)

    api.exec_inspect, api.parts, api.running = inspect, [(b"done", None)], False
    assert prober.run("c", ["sleep", "9"], 5.0).out == "done"


def test_a_command_whose_container_is_removed_meanwhile_cannot_be_asked():
    api = Api([])

    def inspect(id_):
        raise NoSuchObject("gone", status=404, explanation="no such exec")

    api.exec_inspect = inspect
    with pytest.raises(CannotAskError, match="does not run: no such exec"):
        Prober(api).run("c", ["true"], 5.0)


def test_an_older_engine_prints_that_a_program_is_missing():
    api = Api([(b'OCI runtime exec failed: "nope": not found\r\n', None)], code=126)
    done = Prober(api).run("c", ["nope"], 5.0)
    assert (done.code, done.out) == (127, "")
    assert '"nope"' in done.err
