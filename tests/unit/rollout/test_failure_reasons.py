"""What is told of a failure: a full disk as one, and no lines from before this operation."""

import errno
from types import SimpleNamespace

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan, run
from test_interrupted import deploy_host_rollout, rollback_host_rollout

from towline.engines.compose.engine import ComposeEngine
from towline.errors import DiskFull, RolledBack, TowlineError
from towline.hosts.base import Result
from towline.hosts.engine_client import refused
from towline.hosts.full_disk import NotWritten, full
from towline.hosts.install import install
from towline.hosts.local import LocalHost
from towline.images.transfer import _explained
from towline.progress import Silent
from towline.rollout.executor import Executor
from towline.state.releases import Status


@pytest.fixture
def site(tmp_path):
    site = FakeHostEnvironment(tmp_path, host_name="lab1")
    site.serve(site.keep("1.0.0"))
    site.keep("1.0.1")
    return site


NO_SPACE = "write /var/lib/docker/x: no space left on device"
FULL = {
    "a file": OSError(errno.ENOSPC, "No space left on device"),
    "an engine": refused("lab1", NO_SPACE, 500),
    "a pull": _explained(SimpleNamespace(name="lab1"), "docker.io/api:2", NO_SPACE, None),
    "compose": full("lab1", NO_SPACE),
    "a quota": OSError(errno.EDQUOT, "Disk quota exceeded"),
}


@pytest.mark.parametrize("what", FULL)
def test_a_full_disk_is_told_with_its_host_and_what_to_type(site, what):
    start, left = site.engine.start, [FULL[what]]

    def broken(release, slot, services, ready=()):
        if release.id == "1.0.1" and left:
            raise left.pop()
        start(release, slot, services, ready)

    site.engine.start = broken
    with pytest.raises(RolledBack, match="the disk of lab1 is full: ") as error:
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    told = error.value
    assert "free space on lab1: `df -h`" in told.remedy
    assert "`inv deploy --env prod` again; 1.0.1 is not marked bad" in told.remedy
    assert site.store.get("1.0.1").status is Status.NEW
    assert site.engine.shares == {"blue": 100}


@pytest.mark.parametrize(("free", "is_full"), [(4096, True), (1 << 30, False)])
def test_what_sftp_does_not_say_is_asked(site, monkeypatch, free, is_full):
    """The protocol knows one word for a full disk and for much else."""
    said = NotWritten("lab1 does not write a file: is its disk full?")
    monkeypatch.setattr(site.host.files, "free_bytes", lambda _: free, raising=False)

    def broken(*_):
        raise said

    site.engine.start = broken
    with pytest.raises(TowlineError) as error:
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert ("the disk of lab1 is full" in error.value.message) is is_full


def test_what_an_app_prints_of_a_disk_is_no_full_disk_of_the_host(site):
    site.engine.crash = {("1.0.1", "api")}
    site.engine.logs = lambda container, lines, age=None: ["No space left on device"]
    with pytest.raises(RolledBack) as error:
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert "is full" not in error.value.message
    assert site.store.get("1.0.1").status is Status.BAD


def test_a_folder_that_does_not_fit_is_a_full_disk(tmp_path):
    class Address:
        short = "lab1"

    class Link:
        address = Address()

        def run(self, words, **_):
            said = (
                "tar: .1.0.1/tree/security/nginx: Cannot mkdir: No space left on device\n"
                "tar: Exiting with failure status due to previous errors\n"
            )
            return Result(tuple(words), 2, "", said)

    with pytest.raises(DiskFull, match="the disk of lab1 is full: tar") as error:
        install(Link(), tmp_path / "1.0.1", {"a": (b"x", 0o600)}, {})
    assert "free space on lab1" in error.value.remedy


def test_a_build_without_room_is_told_of_this_machine(site, monkeypatch):
    host = LocalHost()
    said = f"#7 exporting layers\n#7 ERROR: {NO_SPACE}\n"
    monkeypatch.setattr(host, "run", lambda argv, **_: Result(tuple(argv), 1, "", said))
    drafts = SimpleNamespace(build_file=lambda *_: b"{}")
    monkeypatch.setattr(ComposeEngine, "_drafts", drafts)
    engine = ComposeEngine(host, site.state, "shop", "prod")
    with pytest.raises(DiskFull, match=r"the disk of .* is full: #7 ERROR"):
        engine.build(None, ["api"], "content")


def test_lines_from_before_the_operation_are_not_shown(site):
    """A container that was retained goes on with its old log."""
    asked = []

    def logs(container, lines, age=None):
        asked.append(age)
        old, new = ["it was well last week"], ["cannot reach the database"]
        return new if age is not None else [*old, *new]

    Executor([deploy_host_rollout(site)], Silent()).run()
    site.engine.logs, site.engine.crash = logs, {("1.0.0", "api")}
    part = rollback_host_rollout(site)
    with pytest.raises(RolledBack) as error:
        Executor([part], Silent()).run()
    details = "\n".join(error.value.details)
    assert "cannot reach the database" in details
    assert "last week" not in details
    assert {age is None or 0 <= age < 60 for age in asked} == {True}
    # The file has all of them.
    retained = "".join(path.read_text() for path in site.folder.rglob("*.log"))
    assert "last week" in retained


def test_one_that_printed_nothing_since_is_not_quoted(site):
    site.engine.fail_on = {"route {'green': 100}"}
    site.engine.logs = lambda container, lines, age=None: [] if age is not None else ["last week"]
    with pytest.raises(RolledBack) as error:
        run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert not [line for line in error.value.details if "last lines" in line]
