"""The files of a host behind SSH behave as those of this machine do."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from projects import docker
from towline.environments import place
from towline.errors import TowlineError, UsageError
from towline.hosts.address import parse
from towline.hosts.install import archive
from towline.hosts.local import LocalFiles
from towline.hosts.remote import RemoteHost
from towline.state.journal import Journal
from towline.state.releases import StateFolder


@pytest.fixture(scope="module")
def remote(lab):
    host = RemoteHost(parse("lab1"), ssh_config=str(lab.ssh_config))
    yield host
    host.close()


@pytest.fixture(params=["here", "there"])
def files(request):
    return LocalFiles() if request.param == "here" else request.getfixturevalue("remote").files


@pytest.fixture
def root(files, tmp_path):
    folder = tmp_path if isinstance(files, LocalFiles) else Path(f"/tmp/{uuid.uuid4().hex}")
    yield folder
    files.remove(folder)


def test_one_file(files, root):
    path = root / "a/b"
    assert not files.exists(path)
    with pytest.raises(FileNotFoundError):
        files.read(path)
    files.write(path, b"one", 0o600)
    assert files.read(path) == b"one"
    files.overwrite(path, b"2")
    assert files.read(path) == b"2"
    files.append(path, b"3\n")
    assert files.read(path) == b"23\n"
    files.truncate(path, 1)
    files.sync_folder(path.parent)
    assert files.read(path) == b"2"
    assert files.names(root / "a") == ["b"]
    assert files.is_dir(root / "a")
    assert not files.is_dir(path)
    files.chown(path, os.getuid())
    files.remove(path)
    files.remove(path)
    assert files.names(root / "a") == []
    assert files.names(root / "nowhere") == []
    assert files.free_bytes(root / "nowhere") > 10**6


def test_a_folder_follows_no_link(files, root):
    """S10: what a container plants there leads nowhere."""
    inside, outside = root / "live", root / "etc"
    files.write(outside / "passwd", b"precious")
    folder = files.folder(inside)
    path = Path("conf/sub/a")
    assert folder.entry(path) is None
    with pytest.raises(FileNotFoundError):
        folder.read(path)
    folder.overwrite(path, b"long one", 0o644)
    folder.overwrite(path, b"one", 0o640, os.getuid())
    assert folder.read(path) == b"one"
    assert folder.names(Path("conf")) == ["sub"]
    entry = folder.entry(path)
    assert (entry.kind, entry.mode) == ("file", 0o640)
    assert not folder.remove(Path("conf/sub"))
    # The file, and then a folder on the way, become links.
    for link, target in (("conf/sub/a", outside / "passwd"), ("conf/sub", outside)):
        folder.remove(path)
        folder.remove(Path(link))
        link_to(files, inside / link, target)
        folder = files.folder(inside)
        at = Path(link) if link.endswith("a") else Path(link) / "passwd"
        with pytest.raises(TowlineError, match="is a symbolic link"):
            folder.read(at)
        with pytest.raises(TowlineError, match="is a symbolic link"):
            folder.overwrite(at, b"evil")
        assert folder.entry(Path(link)).kind == "link"
    with pytest.raises(TowlineError, match="is a symbolic link"):
        folder.remove(Path("conf/sub/passwd"))
    # The link itself may go.
    assert folder.remove(Path("conf/sub"))
    assert files.read(outside / "passwd") == b"precious"


def link_to(files, link, target):
    if isinstance(files, LocalFiles):
        link.symlink_to(target)
    else:
        with files._client() as client:
            client.symlink(str(target), str(link))


def test_root_leaves_nothing_of_its_own_in_the_folder_of_another_user(lab, root_there):
    """S13: else that user cannot write there any more."""
    container, state = lab.hosts[0].container, StateFolder(root_there)
    docker("exec", container, "install", "-d", "-o", "deploy", str(state.root))
    docker("exec", container, "touch", f"{state.root}/theirs")
    opened = RemoteHost(parse("root@lab1"), ssh_config=str(lab.ssh_config))
    try:
        host = place.leave_to_owner(opened, state)
        is_root = host.is_root()
        files = host.files
        files.write(state.root / "a/b", b"")
        files.create(state.lock, b"")
        files.append(state.journal, b"")
        files.overwrite(state.routes / "routes.conf", b"")
        files.folder(state.live).overwrite(Path("conf/nginx"), b"")
        files.folder(state.live).overwrite(Path("conf/key"), b"", 0o600, 70)
        files.install(state.releases / "1.0.0", {"tree/x": (b"", 0o644)}, {})
    finally:
        opened.close()
    found = docker("exec", container, "find", str(state.root), "-printf", "%P %U\\n").splitlines()
    owners = dict(line.split(" ") for line in found)
    assert (owners.pop("theirs"), owners.pop("live/conf/key")) == ("0", "70")
    assert len(owners) > 12
    assert set(owners.values()) == {str(host.user_id())} != {"0"}
    assert is_root


def test_new_files_are_private_from_their_first_byte(files, root, monkeypatch):
    """S5: whoever opens one before its permissions are set could read it."""
    seen = []
    if isinstance(files, LocalFiles):
        chmod = os.fchmod

        def looking(handle, mode):
            seen.append(os.fstat(handle).st_mode & 0o777)
            chmod(handle, mode)

        monkeypatch.setattr(os, "fchmod", looking)
    else:
        from paramiko import SFTPClient

        chmod = SFTPClient.chmod

        def looking(self, path, mode):
            seen.append(self.stat(path).st_mode & 0o777)
            chmod(self, path, mode)

        monkeypatch.setattr(SFTPClient, "chmod", looking)
    files.overwrite(root / "a", b"secret", 0o640)
    files.folder(root).overwrite(Path("b"), b"secret", 0o640)
    assert seen
    assert set(seen) == {0o600}


def test_only_one_creates(files, root):
    path = root / "lock"
    assert files.create(path, b"mine")
    assert not files.create(path, b"yours")
    assert files.read(path) == b"mine"
    assert files.names(root) == ["lock"]
    assert files.move(path, root / "other")
    assert not files.move(path, root / "other")


def test_the_age_of_a_file_by_the_clock_of_its_host(files, root, lab):
    path = root / "lock"
    with pytest.raises(FileNotFoundError):
        files.age(path)
    files.write(path, b"")
    # Whole seconds over SSH.
    assert -1 <= files.age(path) < 3
    if isinstance(files, LocalFiles):
        os.utime(path, (path.stat().st_mtime - 100,) * 2)
    else:
        docker("exec", lab.hosts[0].container, "touch", "-d", "100 seconds ago", str(path))
    assert 98 < files.age(path) < 110


def test_a_large_file(files, root):
    data = os.urandom(3_000_000)
    files.write(root / "large", data)
    assert files.read(root / "large") == data


TREE = {"env": (b"A=1\n", 0o600), "tree/run": (b"#!/bin/sh\n", 0o755), "tree/a b": (b"x", 0o644)}


def modes(files, folder, lab):
    if isinstance(files, LocalFiles):
        return {name: (folder / name).stat().st_mode & 0o777 for name in TREE}
    said = docker("exec", lab.hosts[0].container, "stat", "-c", "%a",
                  *(str(folder / name) for name in TREE))  # fmt: skip
    return dict(zip(TREE, (int(line, 8) for line in said.split()), strict=True))


def test_a_folder_is_there_whole(files, root, lab):
    folder = root / "releases/1.0.0"
    # What a killed run left.
    files.write(root / "releases/.1.0.0/junk", b"")
    files.install(folder, TREE, {})
    assert {name: files.read(folder / name) for name in TREE} == {
        name: data for name, (data, _) in TREE.items()
    }
    assert modes(files, folder, lab) == {name: mode for name, (_, mode) in TREE.items()}
    assert files.names(root / "releases") == ["1.0.0"]
    assert files.names(folder) == ["env", "tree"]


def test_what_others_put_into_a_folder_outlives_it(files, root):
    for name in ("env", "tree/conf/a", "tree/conf/theirs", "tree/gone/b", "notes"):
        files.write(root / "1.0.0" / name, name.encode())
    files.write(root / "outside/env", b"precious")
    link_to(files, root / "1.0.0/link", root / "outside")
    ours = {"env", "tree/conf/a", "tree/gone/b", "link/env"}
    left = ["link", "notes", "tree/conf/theirs"]
    assert files.remove_known(root / "1.0.0", ours.__contains__) == left
    assert files.names(root / "1.0.0") == ["link", "notes", "tree"]
    assert files.names(root / "1.0.0/tree") == ["conf"]
    assert files.remove_known(root / "1.0.0", lambda _: True) == []
    assert files.names(root) == ["outside"]
    assert files.read(root / "outside/env") == b"precious"
    assert files.remove_known(root / "nowhere", lambda _: True) == []


def test_what_is_known_does_not_travel(remote, root_there):
    files, old, new = remote.files, root_there / "1.0.0", root_there / "1.1.0"
    large = {**TREE, "tree/large": (os.urandom(200_000), 0o644)}
    assert files.install(old, large, {}) > 200_000
    known = {name: old / name for name in large if name != "env"}
    commands = remote.connection.transferred.commands
    assert files.install(new, {**large, "env": (b"A=2\n", 0o600)}, known) < 20_000
    assert remote.connection.transferred.commands == commands + 1
    assert files.read(new / "tree/large") == large["tree/large"][0]
    assert files.read(new / "env") == b"A=2\n"
    assert files.read(old / "env") == b"A=1\n"
    # The next one does not need the first.
    files.remove(old)
    assert files.read(new / "tree/large") == large["tree/large"][0]


@pytest.mark.parametrize("change", ["other", "gone"])
def test_what_somebody_changed_on_the_host_is_sent_again(remote, root_there, change):
    files, old, new = remote.files, root_there / "1.0.0", root_there / "1.1.0"
    files.install(old, TREE, {})
    if change == "other":
        files.overwrite(old / "tree/run", b"#!/bin/evil\n")
    else:
        files.remove(old / "tree/run")
    files.install(new, TREE, {name: old / name for name in TREE})
    assert files.read(new / "tree/run") == b"#!/bin/sh\n"
    assert files.names(root_there) == ["1.0.0", "1.1.0"]


@pytest.fixture
def root_there(remote):
    folder = Path(f"/tmp/{uuid.uuid4().hex}")
    yield folder
    remote.files.remove(folder)


def test_where_it_cannot_be_written(remote):
    with pytest.raises(TowlineError, match=r"lab1 cannot write /proc/x/1\.0\.0"):
        remote.files.install(Path("/proc/x/1.0.0"), TREE, {})


def test_odd_names_travel_and_are_no_links():
    parent = Path("/srv/releases")
    names = ["plain", "a\nb", "back\\slash", "outside"]
    files = dict.fromkeys(names, (b"x" * 5000, 420))
    known = {name: parent / "1.0.0" / name for name in names[:3]}
    whole = archive(parent, ".1", files, {})
    thin = archive(parent, ".1", files, {**known, "outside": Path("/etc/outside")})
    assert 3 * 5000 < len(thin) < len(whole) - 4000


def test_variables_with_anything_in_them_reach_a_command(remote):
    values = {"A": 'it\'s $HOME "q"\n`x`', "B": ""}
    said = remote.run(["sh", "-c", 'printf %s "$A|$B"'], env=values)
    assert said.out == values["A"] + "|"


def test_threads_do_not_take_each_other_s_answers(files, root):
    """The lock is renewed while a step writes its files."""

    def work(number):
        path = root / f"{number}"
        for turn in range(40):
            files.write(path, f"{number} {turn}".encode())
            assert files.read(path) == f"{number} {turn}".encode()
            assert files.exists(path)
        return number

    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = [pool.submit(work, number) for number in range(8)]
        assert [future.result(timeout=60) for future in futures] == list(range(8))


@pytest.fixture
def small(remote, lab):
    """A folder on the host with room for 64 kB."""
    folder = Path(f"/tmp/{uuid.uuid4().hex}")
    host = lab.hosts[0].container
    script = (
        f"mkdir {folder} && mount -t tmpfs -o size=64k tmpfs {folder} && chown deploy: {folder}"
    )
    docker("exec", host, "sh", "-c", script)
    yield folder
    docker("exec", host, "sh", "-c", f"umount {folder} && rmdir {folder}")


def test_a_full_disk_is_told_and_spoils_nothing(remote, small):
    """Each write ends with an error, and what was there is there."""
    files, path = remote.files, small / "record"
    files.write(path, b"old")
    large = b"x" * 100_000
    with pytest.raises(OSError, match="is its disk full"):
        files.write(path, large)
    assert files.read(path) == b"old"
    assert files.names(small) == ["record"]
    files.append(small / "journal", b"one\n")
    with pytest.raises(OSError, match="is its disk full"):
        files.append(small / "journal", large)
    assert files.read(small / "journal") == b"one\n"
    with pytest.raises(OSError, match="is its disk full"):
        files.create(small / "lock", large)
    assert not files.exists(small / "lock")
    with pytest.raises(TowlineError, match=r"the disk of .* is full"):
        files.install(small / "1.0.0", {"large": (large, 0o644)}, {})
    assert "1.0.0" not in files.names(small)


def fill(files, folder):
    """Leave no free byte."""
    for size in (8192, 1024, 1):
        with suppress(OSError):
            while True:
                files.append(folder / "fill", b"x" * size)


def test_a_journal_survives_a_full_disk(remote, small):
    """Nothing of a line that does not fit stays, and half a line is cut where no copy fits."""
    files, path = remote.files, small / "journal.jsonl"
    Journal(files, path).write("a", "begin", data={"kind": "deploy"})
    files.append(path, b" " * 40_000)
    fill(files, small)
    journal = Journal(files, path)
    assert len(journal.entries()) == 1
    journal.write("a", "end", data={"ok": True})
    with pytest.raises(OSError, match="is its disk full"):
        journal.write("b", "begin", data={"reason": "x" * 100_000})
    assert [entry["event"] for entry in Journal(files, path).entries()] == ["begin", "end"]
    assert Journal(files, path).verify() == []
    journal.write("c", "begin", data={"kind": "deploy"})
    assert Journal(files, path).verify() == []


def test_what_is_written_over_in_place_needs_no_more_room(remote, small):
    files, path = remote.files, small / "routes.conf"
    files.overwrite(path, b"a" * 3000)
    fill(files, small)
    files.overwrite(path, b"b" * 3000)
    files.overwrite(path, b"c" * 10)
    assert files.read(path) == b"c" * 10


def test_a_host_behind_another_is_reached_by_a_jump(lab, tmp_path):
    """Each of the two shows a key of its own, and both must be known."""
    second = lab.hosts[1].container
    known, config = tmp_path / "known_hosts", tmp_path / "ssh_config"
    key = (lab.folder / "host2.pub").read_text()
    known.write_text((lab.folder / "known_hosts").read_text() + f"{second} {key}")
    config.write_text(
        lab.ssh_config.read_text().replace(str(lab.folder / "known_hosts"), str(known))
        + f"\nHost behind\n  HostName {second}\n  User deploy\n  ProxyJump lab1\n"
        f"  IdentityFile {lab.folder / 'id_ed25519'}\n  UserKnownHostsFile {known}\n"
    )
    host = RemoteHost(parse("behind"), ssh_config=str(config))
    assert host.run(["hostname"]).out.strip() == second
    assert host.docker().ping()
    jump = host.connection._connection.gateway
    assert jump.is_connected
    host.close()
    assert not jump.is_connected
    known.write_text((lab.folder / "known_hosts").read_text())
    with pytest.raises(UsageError, match="is not known"):
        RemoteHost(parse("behind"), ssh_config=str(config)).run(["hostname"])
