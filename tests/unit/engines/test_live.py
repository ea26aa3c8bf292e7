"""What lies below `live`: only what Towline placed there is removed or written over."""

import json
import os
from contextlib import suppress

import pytest

from towline.engines.compose import live
from towline.engines.compose.check_mounted import check_mounted
from towline.engines.compose.placed import Placed
from towline.errors import TowlineError
from towline.hosts.local import LocalFiles
from towline.hosts.reading import digest
from towline.state.releases import Release, StateFolder

FILES = LocalFiles()


class Host:
    """A state folder, and releases whose services mount some paths."""

    def __init__(self, root):
        self.root, self.state = root, StateFolder(root)
        self.live = self.state.live

    def release(self, version, files):
        folder = self.state.releases / version
        for path, data in files.items():
            FILES.write(folder / "tree" / path, data)
        records = {path: {"sha256": digest(data)} for path, data in files.items()}
        FILES.write(folder / "tree/release.json", json.dumps({"files": records}).encode())
        return Release(version, version, "", "", "", {}, {}, folder)

    def sync(self, release, *paths, writable=False, services=("nginx",)):
        volumes = [
            {"type": "bind", "source": str(self.live / path), "read_only": not writable}
            for path in paths
        ]
        model = {"services": {name: {"user": "101:101", "volumes": volumes} for name in services}}
        return live.sync(FILES, self.state, model, list(services), release)

    def changed(self):
        return [str(path) for path in Placed.read(FILES, self.state).changed()]

    def found(self):
        there = (path for path in self.live.rglob("*") if path.is_file())
        return {str(path.relative_to(self.live)): path.read_bytes() for path in there}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_mounted_files_keep_their_inode(host):
    one = host.release("1.0.0", {"nginx.conf": b"one"})
    assert list(host.sync(one, "nginx.conf").changed) == ["nginx"]
    inode = (host.live / "nginx.conf").stat().st_ino
    two = host.release("1.1.0", {"nginx.conf": b"two"})
    assert host.sync(two, "nginx.conf").said == []
    assert host.found() == {"nginx.conf": b"two"}
    assert (host.live / "nginx.conf").stat().st_ino == inode
    assert host.sync(two, "nginx.conf").changed == {}


def test_mounted_folders_follow_additions_and_removals(host):
    one = host.release("1.0.0", {"rules/a.yml": b"a", "rules/sub/b.yml": b"b", "rules/x/c": b"c"})
    host.sync(one, "rules")
    two = host.release("1.1.0", {"rules/d.yml": b"d", "rules/sub/b.yml": b"b"})
    done = host.sync(two, "rules")
    assert host.found() == {"rules/d.yml": b"d", "rules/sub/b.yml": b"b"}
    assert {str(path) for path in done.changed["nginx"]} == {
        "rules/a.yml", "rules/d.yml", "rules/x/c",
    }  # fmt: skip
    # A folder that became empty goes, a mounted one never.
    assert sorted(FILES.names(host.live / "rules")) == ["d.yml", "sub"]
    host.sync(host.release("1.2.0", {}), "rules")
    assert (host.live / "rules").is_dir()
    assert host.found() == {}


def test_a_changed_file_that_two_services_mount_is_changed_for_both(host):
    release = host.release("1.0.0", {"c": b"1"})
    done = host.sync(release, "c", services=("a", "b"))
    assert sorted(done.changed) == ["a", "b"]


@pytest.mark.parametrize("knows", [True, False], ids=["record", "0.6.0"])
def test_data_that_a_service_wrote_stays(host, knows):
    """S1: whatever is deployed, and also where a Towline that kept no record deployed before."""
    one = host.release("1.0.0", {"data/.gitkeep": b"", "data/seed.sql": b"seed"})
    host.sync(one, "data", writable=True)
    if not knows:
        (host.root / "placed.json").unlink()
    for path, data in {"data/rows": b"rows", "data/deep/wal": b"wal"}.items():
        FILES.write(host.live / path, data)
    FILES.overwrite(host.live / "data/seed.sql", b"grown")
    for release in (host.release("1.1.0", {"data/.gitkeep": b""}), host.release("1.2.0", {}), one):
        host.sync(release, "data", writable=True)
        found = host.found()
        assert found["data/rows"] == b"rows"
        assert found["data/deep/wal"] == b"wal"
        assert found["data/seed.sql"] == b"grown"


def test_a_writable_file_that_a_service_changed_is_left_and_told(host):
    one = host.release("1.0.0", {"data/db": b"empty"})
    host.sync(one, "data", writable=True)
    FILES.overwrite(host.live / "data/db", b"full")
    done = host.sync(host.release("1.1.0", {"data/db": b"other"}), "data", writable=True)
    assert host.found() == {"data/db": b"full"}
    assert done.changed == {}
    assert "left as it is" in done.said[0]


def test_what_was_edited_on_the_host_is_replaced_and_a_copy_is_kept(host):
    host.sync(host.release("1.0.0", {"nginx.conf": b"one"}), "nginx.conf")
    FILES.overwrite(host.live / "nginx.conf", b"by hand")
    assert host.changed() == ["nginx.conf"]
    done = host.sync(host.release("1.1.0", {"nginx.conf": b"two"}), "nginx.conf")
    assert host.found() == {"nginx.conf": b"two"}
    (copy,) = (host.root / "replaced").iterdir()
    assert copy.read_bytes() == b"by hand"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert str(copy) in done.said[0]
    assert host.changed() == []


def test_without_a_record_only_what_a_release_has_is_removed(host):
    """A host that 0.6.0 deployed to: its releases vouch for what they placed."""
    host.release("1.0.0", {"rules/a.yml": b"a"})
    FILES.write(host.live / "rules/a.yml", b"a")
    FILES.write(host.live / "rules/mine.yml", b"mine")
    done = host.sync(host.release("1.1.0", {"rules/b.yml": b"b"}), "rules")
    assert host.found() == {"rules/b.yml": b"b", "rules/mine.yml": b"mine"}
    assert done.said == []


def test_a_file_becomes_a_folder_and_back(host):
    file, folder = host.release("1.0.0", {"rules": b"1"}), host.release("1.1.0", {"rules/a": b"2"})
    host.sync(file, "rules")
    host.sync(folder, "rules")
    assert host.found() == {"rules/a": b"2"}
    host.sync(file, "rules")
    assert host.found() == {"rules": b"1"}


@pytest.mark.parametrize("at", range(1, 9))
def test_killed_anywhere_every_file_stays_known(host, monkeypatch, at):
    """Then the next release may still remove what this one placed."""
    one = host.release("1.0.0", {"r/a": b"1", "r/b": b"1", "r/c": b"1"})
    host.sync(one, "r")
    two, calls = host.release("1.1.0", {"r/a": b"2", "r/d": b"2"}), iter(range(1, 100))
    folder = type(FILES.folder(host.live))

    class Killed(BaseException):
        pass

    def dying(name, original):
        def call(*arguments, **named):
            if next(calls) == at:
                raise Killed
            return original(*arguments, **named)

        return call

    with monkeypatch.context() as patched:
        for name in ("overwrite", "remove"):
            patched.setattr(folder, name, dying(name, getattr(folder, name)))
        patched.setattr(LocalFiles, "write", dying("write", LocalFiles.write))
        with suppress(Killed):
            host.sync(two, "r")
    assert host.changed() == []
    host.sync(two, "r")
    assert host.found() == {"r/a": b"2", "r/d": b"2"}
    host.sync(host.release("1.2.0", {}), "r")
    assert host.found() == {}


def test_a_switch_that_fails_is_undone_whole(host):
    one = host.release("1.0.0", {"conf.d/a.conf": b"1", "conf.d/b.conf": b"1"})
    host.sync(one, "conf.d")
    before = live.snapshot(FILES, host.state, [live.Path("conf.d")])
    host.sync(host.release("1.1.0", {"conf.d/a.conf": b"2", "conf.d/bad.conf": b"2"}), "conf.d")
    FILES.write(host.live / "conf.d/theirs.conf", b"3")
    live.put_back(FILES, host.state, before)
    kept = {"conf.d/a.conf": b"1", "conf.d/b.conf": b"1", "conf.d/theirs.conf": b"3"}
    assert host.found() == kept
    assert host.changed() == []
    assert host.sync(one, "conf.d").changed == {}


@pytest.mark.parametrize("planted", ["file", "folder", "gone"])
def test_a_link_that_a_container_planted_is_refused(host, tmp_path_factory, planted):
    """S10: it would make Towline write, or delete, anywhere on the host."""
    outside = tmp_path_factory.mktemp("etc")
    (outside / "a.conf").write_bytes(b"precious")
    one = host.release("1.0.0", {"conf/sub/a.conf": b"1"})
    host.sync(one, "conf")
    target = host.live / "conf/sub"
    (target / "a.conf").unlink()
    if planted == "file":
        (target / "a.conf").symlink_to(outside / "a.conf")
    else:
        target.rmdir()
        target.symlink_to(outside)
    files = {} if planted == "gone" else {"conf/sub/a.conf": b"2"}
    done = host.sync(host.release("1.1.0", files), "conf")
    (said,) = done.said
    assert "is a symbolic link, which Towline did not make and does not follow" in said
    assert done.changed == {}
    assert (outside / "a.conf").read_bytes() == b"precious"
    if planted != "gone":
        (found,) = check_mounted(FILES, host.state)
        assert found.severity == "error"
        assert "rm " in found.remedy


def test_a_named_pipe_does_not_hold_a_deploy_up(host):
    host.sync(host.release("1.0.0", {"a": b"1"}), "a")
    (host.live / "a").unlink()
    os.mkfifo(host.live / "a")
    done = host.sync(host.release("1.1.0", {"a": b"2"}), "a")
    assert "not a regular file" in done.said[0]


def test_a_state_folder_that_is_a_link_itself_is_the_administrators(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "real")
    host = Host(tmp_path / "state")
    host.sync(host.release("1.0.0", {"a": b"1"}), "a")
    assert host.found() == {"a": b"1"}


def test_a_torn_record_is_named(host):
    FILES.write(host.root / "placed.json", b"{")
    with pytest.raises(TowlineError, match=r"placed\.json cannot be read"):
        Placed.read(FILES, host.state)


def test_a_folder_that_an_older_towline_left_open_is_closed(host):
    host.live.mkdir(mode=0o755)
    host.sync(host.release("1.0.0", {"a": b"1"}), "a")
    assert host.live.stat().st_mode & 0o777 == 0o700
