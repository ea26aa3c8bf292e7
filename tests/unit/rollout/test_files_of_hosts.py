"""Keys, secrets and certificates of a host: renewed, put back, never lost."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan, run

from towline.config.certificate import self_signed
from towline.environments import host_files, renewal
from towline.errors import RolledBack, UsageError
from towline.hosts.local import LocalHost
from towline.promotion.tree import is_host_file
from towline.rollout.planner import fingerprint


class Host(LocalHost):
    """This machine, with another user at work."""

    user = 0

    def user_id(self):
        return self.user if self.files.owner is None else self.files.owner

    def is_root(self):
        return self.user == 0


@pytest.fixture
def site(tmp_path):
    made = FakeHostEnvironment(tmp_path / "state")
    made.project = SimpleNamespace(deploy_tree=tmp_path / "deploy")
    made.here, made.host = LocalHost(), Host()
    made.files = made.host.files
    made.engine.reader = lambda wanted, service: 101
    for folder in ("ssl", "secrets"):
        (tmp_path / "deploy/security" / folder).mkdir(parents=True)
    retained = made.keep("1.0.0")
    paths = [Path("security/ssl"), Path("security/secrets")]
    made.engine.reads = lambda release, *roles: {"nginx": paths}
    made.secrets, made.ssl = (tmp_path / "deploy/security" / n for n in ("secrets", "ssl"))
    made.retained, made.there = retained, made.state.live / "security"
    return made


def renew(site):
    found = renewal.find(site, site.retained)
    return renewal.place(site, site.retained, found)


def test_what_differs_is_placed_private_and_forgotten_when_it_proved_good(site):
    (site.secrets / "token").write_text("one")
    (site.secrets / "token").chmod(0o666)
    assert {n: [str(p) for p in paths] for n, paths in renew(site).items()} == {
        "nginx": ["security/secrets/token"]
    }
    assert (site.there / "secrets/token").read_text() == "one"
    assert (site.there / "secrets/token").stat().st_mode & 0o777 == 0o640
    renewal.commit(site)
    assert renewal.find(site, site.retained).services() == {}
    assert (site.state.root / "host-files.json").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_run_wrote_is_still_to_be_read(site):
    (site.secrets / "token").write_text("one")
    renew(site)
    renewal.commit(site)
    (site.secrets / "token").write_text("two")
    renew(site)
    # Killed: the files agree, but no service has read them.
    assert list(renewal.find(site, site.retained).services()) == ["nginx"]
    assert list(renewal.revert(site)) == ["nginx"]
    assert (site.there / "secrets/token").read_text() == "one"
    renewal.revert(site)
    assert (site.there / "secrets/token").read_text() == "one"


def test_what_was_not_there_before_is_gone_again(site):
    (site.secrets / "token").write_text("one")
    renew(site)
    (site.there / "secrets/theirs").write_text("theirs")
    renewal.revert(site)
    assert [path.name for path in (site.there / "secrets").iterdir()] == ["theirs"]


def test_a_fresh_clone_takes_nothing_away(site):
    (site.secrets / "token").write_text("one")
    renew(site)
    renewal.commit(site)
    (site.secrets / "token").unlink()
    (site.secrets / ".gitkeep").touch()
    assert renew(site) == {}
    assert (site.there / "secrets/token").read_text() == "one"


def test_what_somebody_changed_on_the_host_stays_and_is_told(site):
    (site.secrets / "token").write_text("one")
    renew(site)
    renewal.commit(site)
    (site.there / "secrets/token").write_text("by hand")
    (site.secrets / "token").write_text("two")
    found = renewal.find(site, site.retained)
    assert found.services() == {}
    assert "was changed there since it was placed: left as it is" in found.said[0]
    assert renewal.find(site, site.retained, force=True).services()


def test_a_stale_laptop_does_not_bring_an_old_certificate_back(site, tmp_path, monkeypatch):
    from datetime import datetime, timedelta

    from towline.config import certificate

    self_signed(site.ssl, ["localhost"])

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=30)

    monkeypatch.setattr(certificate, "datetime", Later)
    self_signed(site.there / "ssl", ["localhost"], days=30)
    monkeypatch.undo()
    served = (site.there / "ssl/fullchain.pem").read_bytes()
    found = renewal.find(site, site.retained)
    # Neither the certificate nor its key.
    assert found.services() == {}
    assert len(found.said) == 2
    assert "was issued later than the one here" in found.said[0]
    assert (site.there / "ssl/fullchain.pem").read_bytes() == served


def test_who_could_not_read_a_file_is_told_before_it_is_written(site):
    (site.secrets / "token").write_text("one")
    Host.user = 1000
    try:
        with pytest.raises(UsageError, match="nginx runs as user 101 and cannot read") as caught:
            renew(site)
        assert "TOWLINE_UID" in caught.value.remedy
    finally:
        Host.user = 0
    assert not (site.there / "secrets/token").exists()
    assert not (site.state.root / "host-files.json").exists()


def test_root_gives_a_file_to_its_reader_in_the_folder_of_another_user(site):
    """Else root would be told to deploy as root."""
    file = host_files.HostFile(b"", 0o600, ("nginx", "db"))
    site.host = site.host.owned_by(4321)
    assert host_files.owner_of(site, site.retained, Path("key"), file) == 101
    site.engine.reader = lambda wanted, service: None
    assert host_files.owner_of(site, site.retained, Path("key"), file) == 4321
    site.engine.reader = lambda wanted, service: {"nginx": 101, "db": 70}[service]
    with pytest.raises(UsageError, match="db as user 70 and nginx as user 101 read it"):
        host_files.owner_of(site, site.retained, Path("key"), file)


def test_a_link_out_of_the_tree_is_no_secret(site, tmp_path):
    (tmp_path / "id_ed25519").write_text("PRIVATE")
    (site.secrets / "token").symlink_to(tmp_path / "id_ed25519")
    with pytest.raises(UsageError, match="points outside the deploy tree"):
        renew(site)


def test_a_secret_of_an_app_comes_from_here_else_from_the_live_release(site):
    wanted = {"web": [host_files.Path("security/secrets/token")]}
    with pytest.raises(UsageError, match="neither here nor on localhost"):
        host_files.of_release(site, wanted, None)
    (site.secrets / "token").write_text("one")
    found = host_files.of_release(site, wanted, None)
    record = {"sha256": "x", "mode": "0600", "owner": 0}
    retained = site.keep("1.1.0", host_files={"security/secrets/token": record})
    (retained.tree / "security/secrets").mkdir(parents=True)
    (retained.tree / "security/secrets/token").write_text("one")
    (site.secrets / "token").unlink()
    there = host_files.of_release(site, wanted, retained)
    assert host_files.digests(there) == host_files.digests(found)
    assert [file.is_here for file in there.values()] == [False]


def test_without_such_files_a_fingerprint_is_what_it_was(site):
    """Else the first deploy by a newer Towline would make a new release of everything."""
    assert fingerprint("c", {}, site.rollout) == fingerprint("c", {}, site.rollout, {})
    assert fingerprint("c", {}, site.rollout) != fingerprint("c", {}, site.rollout, {"a": "1"})


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("security/secrets/token", True), ("security/ssl/a/key.pem", True), ("docker/.env", True),
        (".env.prod", True), (".env.example", False), ("security/secrets/.gitkeep", False),
        ("security/nginx/nginx.conf", False), ("release.json", False), ("a/__pycache__/x", False),
    ],
)  # fmt: skip
def test_which_files_are_a_host_s_own(path, is_one):
    assert is_host_file(path) == is_one


@pytest.fixture
def renewing(tmp_path):
    """A site whose deploy of 1.0.1 has renewed a token, which was `one` before."""
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0"))
    site.keep("1.0.1")
    (site.state.live / "security").mkdir(parents=True)
    (site.state.live / "security/token").write_text("new")
    undo = {"data": "b25l", "mode": 0o600, "owner": None, "services": ["db"]}
    site.record = site.state.root / "host-files.json"
    site.record.write_text(json.dumps({"placed": {}, "undo": {"security/token": undo}}))
    return site


def test_what_could_not_be_put_back_is_not_forgotten(renewing, monkeypatch):
    """The record has the only copy of the old certificate."""
    site = renewing
    site.engine.fail_on = {"start 1.0.1 api"}

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(type(site.engine.configuration), "overwrite", full)
        with pytest.raises(RolledBack):
            run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert (site.state.live / "security/token").read_text() == "new"
    assert renewal.pending(site) == {"db": [Path("security/token")]}
    renewal.revert(site)
    assert (site.state.live / "security/token").read_text() == "one"


def test_a_way_back_that_is_tried_again_lets_services_read_again(renewing):
    """What is put back is read by nobody until the engine was told."""
    site, record = renewing, renewing.record
    told, reconcile, left = [], site.engine.reconcile, [ConnectionResetError("reset")]

    def broken(release, renewed=None, *, spare=False):
        if release.id == "1.0.0":
            told.append(sorted(renewed))
            if left:
                raise left.pop()
        return reconcile(release, renewed, spare=spare)

    site.engine.reconcile, site.engine.fail_on = broken, {"start 1.0.1 api"}
    with pytest.raises(RolledBack):
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert told == [["db"], ["db"]]
    assert (site.state.live / "security/token").read_text() == "one"
    assert json.loads(record.read_text())["undo"] == {}
