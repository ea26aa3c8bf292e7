import os
import socket
import stat
import sys
import time
from pathlib import Path

import pytest

from towline.environments import place
from towline.errors import TowlineError, UsageError
from towline.hosts.local import LocalFiles, LocalHost
from towline.state.releases import StateFolder

FILES = LocalFiles()


def test_a_write_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file"
    FILES.write(path, b"old", 0o600)
    assert path.stat().st_mode & 0o777 == 0o600

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        FILES.write(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_overwrite_keeps_the_inode_and_write_does_not(tmp_path):
    path = tmp_path / "mounted.conf"
    FILES.overwrite(path, b"a long first version")
    inode = path.stat().st_ino
    FILES.overwrite(path, b"short", 0o640)
    assert (path.stat().st_ino, path.read_bytes()) == (inode, b"short")
    assert path.stat().st_mode & 0o777 == 0o640
    FILES.write(path, b"other")
    assert path.stat().st_ino != inode


def test_create_happens_once(tmp_path):
    path = tmp_path / "lock"
    assert FILES.create(path, b"mine")
    assert not FILES.create(path, b"yours")
    assert path.read_bytes() == b"mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]


def test_append_names_remove_move(tmp_path):
    FILES.append(tmp_path / "j", b"a\n")
    FILES.append(tmp_path / "j", b"b\n")
    assert FILES.read(tmp_path / "j") == b"a\nb\n"
    assert FILES.move(tmp_path / "j", tmp_path / "k")
    assert not FILES.move(tmp_path / "j", tmp_path / "k")
    assert FILES.names(tmp_path) == ["k"]
    FILES.mkdir(tmp_path / "d" / "e")
    assert FILES.is_dir(tmp_path / "d")
    for name in ("k", "d", "missing"):
        FILES.remove(tmp_path / name)
    assert FILES.names(tmp_path) == []
    assert FILES.names(tmp_path / "missing") == []
    assert not FILES.exists(tmp_path / "k")


def test_free_space_of_a_folder_that_does_not_exist_yet(tmp_path):
    assert FILES.free_bytes(tmp_path / "not" / "yet") > 0


def test_a_command_has_a_result_whatever_its_exit_code():
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    result = LocalHost().run([sys.executable, "-c", code])
    assert (result.code, result.out, result.err, result.ok) == (3, "out\n", "err\n", False)


def test_a_command_inherits_no_variable_of_somebodys_shell(monkeypatch):
    monkeypatch.setenv("POSTGRES_PASSWORD", "leaked")
    monkeypatch.setenv("DOCKER_HOST", "unix:///x")
    code = "import os; print(sorted(os.environ))"
    said = LocalHost().run([sys.executable, "-c", code], env={"GIVEN": "1"}).out
    assert "POSTGRES_PASSWORD" not in said
    assert "DOCKER_HOST" in said
    assert "GIVEN" in said


def test_a_command_that_does_not_end_is_ended():
    started = time.monotonic()
    with pytest.raises(TowlineError, match="did not end within"):
        LocalHost().run(["sleep", "60"], timeout=0.2)
    assert time.monotonic() - started < 30


def test_a_program_that_is_missing_is_named():
    with pytest.raises(UsageError, match="nosuchprogram is not installed on localhost"):
        LocalHost().run(["nosuchprogram"])


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("unix:///nonexistent/docker.sock", "its socket does not exist"),
        ("tcp://127.0.0.1:1", "refuses connections"),
    ],
)
def test_an_engine_that_does_not_answer_is_told_in_words(monkeypatch, address, said):
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(UsageError, match="no Docker engine answers") as error:
        LocalHost().docker()
    assert said in error.value.message
    assert error.value.exit_code == 2


def test_ports_are_free_or_taken():
    host = LocalHost()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not host.port_free("127.0.0.1", port)
    assert host.port_free("127.0.0.1", port)
    assert host.forward_port(port) == ("127.0.0.1", port)


@pytest.fixture
def no_umask():
    """As a user has it whose profile says `umask 000`."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_no_folder_is_open_to_others_whatever_the_umask(tmp_path, no_umask):
    """S32: in a folder that others may write to, they could replace the state."""
    FILES.write(tmp_path / "a/b/file", b"")
    FILES.mkdir(tmp_path / "c/d/e", 0o700)
    FILES.create(tmp_path / "f/lock", b"")
    FILES.append(tmp_path / "g/journal", b"")
    FILES.overwrite(tmp_path / "h/routes", b"")
    FILES.folder(tmp_path / "i/live").overwrite(Path("j/conf"), b"")
    FILES.install(tmp_path / "k/releases/1.0.0", {"tree/x/y": (b"", 0o644)}, {})
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert len(found) > 15
    assert {str(path) for path, mode in found.items() if mode & 0o022} == set()
    assert found[tmp_path / "c/d/e"] == 0o700


def test_a_file_below_a_file_is_not_there(tmp_path):
    FILES.write(tmp_path / "README", b"")
    with pytest.raises(FileNotFoundError):
        FILES.read(tmp_path / "README" / "release.json")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for others")
def test_root_leaves_nothing_of_its_own_in_the_folder_of_another_user(tmp_path):
    """S13: else that user cannot write there any more."""
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 4321, 4321)
    theirs = state / "theirs"
    theirs.write_text("")
    host = place.leave_to_owner(LocalHost(), StateFolder(state))
    assert host.user_id() == 4321
    assert host.is_root()
    files = host.files
    files.write(state / "a/b", b"")
    files.create(state / "lock", b"")
    files.append(state / "journal", b"")
    files.overwrite(state / "routes/routes.conf", b"")
    folder = files.folder(state / "live")
    folder.overwrite(Path("conf/nginx"), b"")
    folder.overwrite(Path("conf/key"), b"", 0o600, 70)
    files.install(state / "releases/1.0.0", {"tree/x": (b"", 0o644)}, {})
    owners = {str(path.relative_to(state)): path.stat().st_uid for path in state.rglob("*")}
    assert len(owners) > 12
    assert (owners.pop("theirs"), owners.pop("live/conf/key")) == (0, 70)
    assert set(owners.values()) == {4321}
    # In a folder of root's, or one that is not there yet, root is who owns things.
    for other in (tmp_path, tmp_path / "nowhere"):
        host = place.leave_to_owner(LocalHost(), StateFolder(other))
        assert host.user_id() == 0
