from dataclasses import replace

import pytest
from fakes import release

from towline.engines import live
from towline.engines.releases import ReleaseStore, StateFolder, Status
from towline.errors import TowlineError
from towline.hosts.local import LocalFiles

FILES = LocalFiles()


@pytest.fixture
def store(tmp_path):
    return ReleaseStore(FILES, StateFolder(tmp_path))


def again(store):
    return ReleaseStore(store.files, store.state)


def test_what_was_added_comes_back_whole(store):
    added = store.add(release("1.0.0", store.state.root), {"env": (b"A=1\n", 0o600)})
    assert again(store).get("1.0.0") == added
    assert (added.folder / "env").stat().st_mode & 0o777 == 0o600
    assert added.folder.stat().st_mode & 0o077 == 0
    assert added.router == "nginx"
    assert added.colour_file("blue").name == "blue.json"


def test_a_release_that_was_written_half_is_not_there(store):
    store.files.mkdir(store.state.releases / ".1.0.0")
    assert store.all() == []
    assert store.get(".1.0.0") is None
    assert store.get("") is None
    store.add(release("1.0.0", store.state.root), {})
    assert [item.id for item in store.all()] == ["1.0.0"]


def test_one_version_may_be_deployed_with_several_settings(store):
    assert store.next_id("1.0.0") == "1.0.0"
    store.add(release("1.0.0", store.state.root), {})
    assert store.next_id("1.0.0") == "1.0.0+r2"
    second = release("1.0.0", store.state.root)
    folder = store.state.releases / "1.0.0+r2"
    store.add(replace(second, id="1.0.0+r2", folder=folder), {})
    assert store.next_id("1.0.0") == "1.0.0+r3"
    assert store.next_id("1.0.0+build") == "1.0.0+build"


def test_marks_are_kept_and_removal_is_whole(store):
    kept = store.add(release("1.0.0", store.state.root), {})
    store.mark(kept, Status.BAD, "smoke failed")
    found = again(store).get("1.0.0")
    assert (found.status, found.reason) == (Status.BAD, "smoke failed")
    store.remove(kept)
    assert store.all() == again(store).all() == []


def test_a_torn_record_is_named(store):
    kept = store.add(release("1.0.0", store.state.root), {})
    (kept.folder / "release.json").write_text("{")
    with pytest.raises(TowlineError, match=r"release.json cannot be read"):
        again(store).all()


def mounting(*paths):
    volumes = [{"type": "bind", "source": f"/live/{path}", "target": "/x"} for path in paths]
    return {"services": {"nginx": {"user": "101:101", "volumes": volumes}}}


def bring(tmp_path, *paths):
    model = mounting(*paths)
    for volume in model["services"]["nginx"]["volumes"]:
        volume["source"] = volume["source"].replace("/live", str(tmp_path / "live"))
    return live.sync(FILES, model, ["nginx"], tmp_path / "tree", tmp_path / "live")


def test_mounted_files_keep_their_inode(tmp_path):
    tree, there = tmp_path / "tree", tmp_path / "live" / "nginx.conf"
    FILES.write(tree / "nginx.conf", b"one")
    assert bring(tmp_path, "nginx.conf") == {"nginx": [there.relative_to(tmp_path / "live")]}
    inode = there.stat().st_ino
    FILES.write(tree / "nginx.conf", b"two")
    bring(tmp_path, "nginx.conf")
    assert (there.read_bytes(), there.stat().st_ino) == (b"two", inode)
    assert bring(tmp_path, "nginx.conf") == {}


def test_mounted_folders_follow_additions_and_removals(tmp_path):
    tree, there = tmp_path / "tree" / "rules", tmp_path / "live" / "rules"
    FILES.write(tree / "a.yml", b"a")
    FILES.write(tree / "sub" / "b.yml", b"b")
    bring(tmp_path, "rules")
    FILES.remove(tree / "a.yml")
    FILES.write(tree / "c.yml", b"c")
    assert bring(tmp_path, "rules")
    assert FILES.names(there) == ["c.yml", "sub"]
    assert set(live.snapshot(FILES, there).values()) == {b"b", b"c"}


def test_what_a_release_does_not_hold_is_left_alone(tmp_path):
    key = tmp_path / "live" / "ssl" / "privkey.pem"
    FILES.write(key, b"-----BEGIN PRIVATE KEY-----")
    assert bring(tmp_path, "ssl") == {}
    assert key.exists()


def test_private_keys_stay_private(tmp_path):
    source = tmp_path / "ssl"
    FILES.write(source / "privkey.pem", b"-----BEGIN PRIVATE KEY-----", 0o600)
    FILES.write(source / "fullchain.pem", b"-----BEGIN CERTIFICATE-----")
    live.place(FILES, FILES, source, tmp_path / "live" / "ssl")
    modes = {
        name: (tmp_path / "live/ssl" / name).stat().st_mode & 0o777
        for name in FILES.names(tmp_path / "live/ssl")
    }
    assert modes == {"privkey.pem": 0o600, "fullchain.pem": 0o644}
