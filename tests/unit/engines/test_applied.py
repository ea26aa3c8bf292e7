"""A run that is killed between Compose's end and its record: what is there says what was done."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from towline.engines.acts import Act
from towline.engines.compose import applied, containers
from towline.engines.compose.ownership import Owner
from towline.engines.compose.persistent import Persistent, Rendered
from towline.engines.observed import Container, ObservedState
from towline.hosts.local import LocalHost
from towline.state.releases import Release, StateFolder


class Killed(BaseException):
    pass


class Engine:
    """An engine whose clock is an hour behind, and its containers."""

    def __init__(self):
        self.time = datetime.now(UTC) - timedelta(hours=1)
        self.made = {}
        self.started = {}

    def now(self):
        self.time += timedelta(milliseconds=5)
        return self.time.isoformat().replace("+00:00", "123Z")

    def info(self):
        return {"SystemTime": self.now()}

    def inspect_container(self, container):
        return {
            "Created": self.made[container],
            "State": {"StartedAt": max(self.made[container], self.started.get(container, ""))},
        }

    def events(self, **_):
        return []

    def containers(self, **_):
        return []

    def networks(self, **_):
        return []

    def volumes(self, **_):
        return {"Volumes": []}

    def state(self):
        return ObservedState(tuple(
            Container(name, name, name, "backing", "running") for name in sorted(self.made)
        ))  # fmt: skip


def model(**images):
    labels = {"towline.role": "backing"}
    return {
        "name": "shop-prod",
        "services": {n: {"image": image, "labels": labels} for n, image in images.items()},
    }


@pytest.fixture
def persistent(tmp_path):
    engine, host = Engine(), LocalHost()
    host.docker = lambda: SimpleNamespace(api=engine)

    def compose(*commands):
        for command in commands:
            for name in persistent.does:
                if name in command:
                    engine.made[name] = engine.now()
        if persistent.dies:
            raise Killed

    made = Persistent(host, StateFolder(tmp_path), Owner("shop", "prod"), compose)
    persistent = SimpleNamespace(
        made=made, engine=engine, does={"db", "cache"}, dies=False, folder=tmp_path
    )
    return persistent


def up(it, wanted):
    release = Release("1", "1", "c", "f", "d", {}, {}, it.folder / "releases" / "1")
    observed = it.engine.state()
    return it.made.bring_up(release, wanted, observed, {}, spare=False, is_idle=False)


def effects(it, wanted):
    rendered = Rendered(wanted, {})
    found = it.made.forecast(rendered, it.engine.state(), {}, {}, {})
    return {item.service: item.act for item in found}


def killed(it, wanted, *, does):
    it.does, it.dies = does, True
    with pytest.raises(Killed):
        up(it, wanted)
    it.does, it.dies = {"db", "cache"}, False


def test_what_compose_did_before_the_kill_is_not_planned_again(persistent):
    up(persistent, model(db="a", cache="a"))
    wanted = model(db="b", cache="b")
    killed(persistent, wanted, does={"db"})
    assert effects(persistent, wanted) == {"cache": Act.RECREATE}
    # The way back is told truly, too.
    assert effects(persistent, model(db="a", cache="a")) == {"db": Act.RECREATE}
    before = persistent.engine.made["db"]
    up(persistent, wanted)
    assert persistent.engine.made["db"] == before
    assert effects(persistent, wanted) == {}
    assert applied.read_applied(LocalHost().files, StateFolder(persistent.folder)).pending == {}


def test_a_first_deploy_that_was_killed_makes_nothing_twice(persistent):
    wanted = model(db="a", cache="a")
    killed(persistent, wanted, does={"db"})
    assert effects(persistent, wanted) == {"cache": Act.CREATE}
    up(persistent, wanted)
    assert effects(persistent, wanted) == {}


def test_killed_twice_what_was_done_the_first_time_counts(persistent):
    up(persistent, model(db="a", cache="a"))
    wanted = model(db="b", cache="b")
    killed(persistent, wanted, does={"db"})
    killed(persistent, wanted, does=set())
    assert effects(persistent, wanted) == {"cache": Act.RECREATE}


def test_killed_before_compose_did_anything_all_is_still_to_be_done(persistent):
    up(persistent, model(db="a"))
    killed(persistent, model(db="b"), does=set())
    assert effects(persistent, model(db="b")) == {"db": Act.RECREATE}
    assert effects(persistent, model(db="a")) == {}


def with_file(it, text):
    """A release whose `db` mounts a file with this content, and its rendered file."""
    folder = it.folder / "releases" / text
    (folder / "tree/db").mkdir(parents=True, exist_ok=True)
    (folder / "tree/db/db.conf").write_text(text)
    wanted = model(db="a")
    wanted["services"]["db"]["volumes"] = [
        {"type": "bind", "source": str(it.folder / "live/db/db.conf"), "read_only": True}
    ]
    return Release(text, text, "c", "f", "d", {}, {}, folder), wanted


def lay(it, release, wanted, **options):
    observed = it.engine.state()
    given = {"renewed": {}, "spare": False, "is_idle": False, **options}
    return it.made.bring_up(release, wanted, observed, **given)


@pytest.fixture
def restarting(persistent, monkeypatch):
    """An engine that restarts containers; it may die right before or right after that."""
    persistent.restarts = 0

    def restart(api, container, grace=None):
        if persistent.dies == "before":
            raise Killed
        persistent.restarts += 1
        persistent.engine.started[container] = persistent.engine.now()
        if persistent.dies == "after":
            raise Killed

    monkeypatch.setattr(containers, "restart", restart)
    lay(persistent, *with_file(persistent, "one"))
    return persistent


@pytest.mark.parametrize(("dies", "again"), [("before", 1), ("after", 0)])
def test_a_file_that_was_laid_before_the_kill_is_still_to_be_read(restarting, dies, again):
    release, wanted = with_file(restarting, "two")
    restarting.dies = dies
    with pytest.raises(Killed):
        lay(restarting, release, wanted)
    restarting.dies, restarting.restarts = "", 0
    assert effects(restarting, wanted) == ({"db": Act.RESTART} if again else {})
    lay(restarting, release, wanted)
    assert restarting.restarts == again
    assert effects(restarting, wanted) == {}


def test_a_service_that_is_spared_on_the_way_back_is_not_told_to_be_as_it_should(restarting):
    """It is well with what it read; the file that it has not read is for the next deploy."""
    release, wanted = with_file(restarting, "two")
    restarting.dies = "before"
    with pytest.raises(Killed):
        lay(restarting, release, wanted)
    restarting.dies = ""
    lay(restarting, *with_file(restarting, "one"), spare=True)
    assert restarting.restarts == 0
    lay(restarting, release, wanted)
    assert restarting.restarts == 1


def test_a_spared_service_reads_a_secret_that_was_put_back_at_the_next_deploy(restarting):
    """Else it would run on with the key of the deploy that failed, and nobody would know."""
    release, wanted = with_file(restarting, "one")
    key = {"db": [Path("security/secrets/key")]}
    done = lay(restarting, release, wanted, renewed=key, spare=True)
    assert (done, restarting.restarts) == (["db left as it is: it is well"], 0)
    assert effects(restarting, wanted) == {"db": Act.RESTART}
    # A way back that is tried again leaves it alone again.
    lay(restarting, release, wanted, renewed=key, spare=True)
    assert restarting.restarts == 0
    done = lay(restarting, release, wanted)
    assert done == ["db restarted (security/secrets/key changed)"]
    assert effects(restarting, wanted) == {}


def test_a_service_that_was_not_spared_in_the_end_has_read_its_secret(restarting):
    release, wanted = with_file(restarting, "one")
    key = {"db": [Path("security/secrets/key")]}
    lay(restarting, release, wanted, renewed=key, spare=True)
    lay(restarting, release, wanted, renewed=key)
    assert restarting.restarts == 1
    assert effects(restarting, wanted) == {}
