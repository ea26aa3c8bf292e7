import shutil
from dataclasses import fields, replace

import pytest
from fakes import release

from towline.errors import TowlineError
from towline.hosts.local import LocalFiles
from towline.state.releases import ReleaseStore, StateFolder, Status

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


def test_no_field_of_a_record_is_lost(store):
    """One that the reader forgets would be dropped for good by the next mark."""
    record = {"security/secrets/a": {"sha256": "0" * 64, "mode": "0600", "owner": 1000}}
    odd = {int: 7, str: "odd"}
    plain = release("1.0.0", store.state.root, host_files=record, migrations={"m.py": "0" * 64})
    given = {item.name: odd[item.type] for item in fields(plain) if item.type in odd}
    assert len(given) > 5
    given["id"] = plain.id
    full = store.add(replace(plain, **given), {})
    marked = again(store).mark(again(store).get("1.0.0"), Status.GOOD, "why")
    assert marked == replace(full, status=Status.GOOD, reason="why")
    assert again(store).get("1.0.0") == marked


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


def test_what_others_put_beside_releases_is_none_and_stays(store):
    kept = store.add(release("1.0.0", store.state.root), {
        "env": (b"A=1\n", 0o600), "tree/conf/nginx.conf": (b"", 0o644),
        "tree/release.json": (b'{"files": {"conf/nginx.conf": {"sha256": "0"}}}', 0o644),
    })  # fmt: skip
    shutil.copytree(kept.folder, store.state.releases / "1.0.0.bak")
    (store.state.releases / "README").write_text("theirs")
    theirs = [kept.folder / name for name in ("env.bak", "notes", "tree/conf/data")]
    for name in ("logs/migrate.log", "journal.json", "blue.json", ".env.ab12cd34"):
        store.files.write(kept.folder / name, b"ours")
    for path in theirs:
        store.files.write(path, b"theirs")
    assert [item.folder.name for item in again(store).all()] == ["1.0.0"]
    assert store.remove(kept) == ["env.bak", "notes", "tree/conf/data"]
    found = {path for path in store.state.releases.rglob("*") if path.is_file()}
    copied = {path for path in found if path.is_relative_to(store.state.releases / "1.0.0.bak")}
    assert found - copied == {*theirs, store.state.releases / "README"}
    assert len(copied) == 4
    assert again(store).all() == []
    assert again(store).next_id("1.0.0") == "1.0.0+r2"


def test_a_torn_record_is_named(store):
    kept = store.add(release("1.0.0", store.state.root), {})
    (kept.folder / "release.json").write_text("{")
    with pytest.raises(TowlineError, match=r"release.json cannot be read"):
        again(store).all()
