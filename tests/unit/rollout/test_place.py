"""The state of an environment is one folder on a host, whoever logs in."""

from pathlib import Path

import pytest
from fakes import FakeHostEnvironment

from towline.engines.compose import registration
from towline.engines.factory import make_engine
from towline.environments import place
from towline.errors import Locked, UsageError
from towline.hosts.local import LocalHost
from towline.state.releases import StateFolder


@pytest.fixture
def noted(monkeypatch, tmp_path):
    """Another user's folder, which the engine knows."""
    folder = tmp_path / "alice"
    folder.mkdir()
    monkeypatch.setattr(registration, "registered", lambda *_: folder)
    return folder


def find(default, **options):
    engine = make_engine("compose", LocalHost(), StateFolder(default), "shop", "prod")
    return place.find(engine, "prod", default, **{"configured": False, **options}).root


def test_the_folder_that_the_engine_knows_is_used_by_whoever_comes_later(noted, tmp_path):
    assert find(tmp_path / "bob") == noted
    assert list(noted.iterdir()) == []


def test_one_who_configured_another_is_told_and_may_only_look(noted, tmp_path):
    with pytest.raises(UsageError, match=f"has its state in {noted}, and") as error:
        find(tmp_path / "bob", configured=True)
    assert "TOWLINE_STATE" in error.value.remedy
    assert find(tmp_path / "bob", configured=True, only_look=True) == tmp_path / "bob"
    assert find(noted, configured=True) == noted


def test_one_who_may_not_write_there_is_refused(noted, tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("towline.hosts.local.LocalFiles.write", denied)
    with pytest.raises(UsageError, match="this user may not write") as error:
        find(tmp_path / "bob")
    assert str(noted) in error.value.remedy
    # Nor see whether it is there.
    monkeypatch.setattr("towline.hosts.local.LocalFiles.exists", denied)
    with pytest.raises(UsageError, match="this user may not write"):
        find(tmp_path / "bob")


def test_a_folder_that_is_gone_counts_no_more(noted, tmp_path):
    noted.rmdir()
    assert find(tmp_path / "bob") == tmp_path / "bob"


def test_of_two_who_deploy_first_at_once_one_wins(tmp_path):
    site = FakeHostEnvironment(tmp_path / "bob")
    place.claim(site)
    assert site.engine.noted == tmp_path / "bob"
    site.engine.noted = tmp_path / "alice"
    (tmp_path / "alice").mkdir()
    with pytest.raises(Locked, match=f"with the state folder {tmp_path / 'alice'}"):
        place.claim(site)
    (tmp_path / "alice").rmdir()
    place.claim(site)
    assert site.engine.noted == Path(tmp_path / "bob")
