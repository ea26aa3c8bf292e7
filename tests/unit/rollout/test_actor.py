"""Who runs an operation: in the journal, in the lock and in a hold."""

import json
import os
import subprocess
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest
from fakes import FakeHostEnvironment

from towline.config.redaction import KNOWN
from towline.environments import holding, lead_lock, lead_move, unlocking
from towline.environments.host_environment import Fleet
from towline.environments.provisioning import note_provisioning
from towline.errors import HostLost, Locked, UsageError
from towline.hosts.local import LocalFiles
from towline.insight.history import operations
from towline.rollout.turn import Turn
from towline.state import actor, hold, lock
from towline.state.actor import Actor
from towline.state.journal import Journal
from towline.state.lock import Fenced
from towline.state.lock_file import this_process
from towline.state.releases import StateFolder

FILES = LocalFiles()
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_RUN_ID": "4711",
    "GITHUB_SERVER_URL": "https://git.example.com",
    "GITHUB_REPOSITORY": "ada/shop",
    "GITHUB_ACTOR": "ada",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI": "true",
    "CI_PIPELINE_ID": "12",
    "CI_PIPELINE_URL": "https://lab.example.com/ada/shop/-/pipelines/12",
    "GITLAB_USER_LOGIN": "ada",
}
JENKINS = {"JENKINS_URL": "http://j", "BUILD_TAG": "jenkins-shop-7", "BUILD_URL": "http://j/job/7/"}


@pytest.fixture(autouse=True)
def laptop(monkeypatch, tmp_path):
    """Nobody's laptop: no CI service, and no Git user but the repository's."""
    for name in ("CI", "GITHUB_ACTIONS", "SUDO_USER", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setattr("socket.gethostname", lambda: "mac")
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)


def configure(name, value):
    subprocess.run(["git", "config", f"user.{name}", value], check=True)


def test_a_person_has_a_git_user_a_login_and_a_host():
    configure("name", "Ada Lovelace")
    configure("email", "ada@example.com")
    assert actor.current() == Actor("Ada Lovelace", "ada@example.com", "ada", host="mac")
    assert str(actor.current()) == "Ada Lovelace (ada on mac)"


def test_what_git_does_not_know_is_not_made_up():
    assert actor.current() == Actor(login="ada", host="mac")
    assert str(actor.current()) == "ada on mac"


def test_whoever_became_root_is_named(monkeypatch):
    monkeypatch.setenv("LOGNAME", "root")
    monkeypatch.setenv("SUDO_USER", "ada")
    assert str(actor.current()) == "ada as root on mac"


def test_without_git_there_is_still_a_login(monkeypatch, tmp_path):
    actor._git_user.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(actor.current()) == "ada on mac"
    actor._git_user.cache_clear()


@pytest.mark.parametrize(
    ("variables", "said", "url"),
    [
        (
            GITHUB,
            "ada (GitHub Actions run 4711)",
            "https://git.example.com/ada/shop/actions/runs/4711",
        ),
        (GITLAB, "ada (GitLab CI run 12)", "https://lab.example.com/ada/shop/-/pipelines/12"),
        (JENKINS, "someone (Jenkins run jenkins-shop-7)", "http://j/job/7/"),
        ({"CI": "true"}, "someone (CI)", ""),
        ({**GITHUB, "GITHUB_REPOSITORY": ""}, "ada (GitHub Actions run 4711)", ""),
        ({**JENKINS, "BUILD_URL": "javascript:x"}, "someone (Jenkins run jenkins-shop-7)", ""),
    ],
    ids=["github", "gitlab", "jenkins", "unknown", "no-repository", "no-address"],
)
def test_a_run_of_a_ci_service_has_an_address(monkeypatch, variables, said, url):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (str(actor.current()), actor.current().url) == (said, url)


def test_secrets_and_escapes_stay_outside(monkeypatch):
    KNOWN.learn({"DEPLOY_TOKEN": "hunter2hunter2"})
    for name, value in JENKINS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BUILD_URL", "https://bot:swordfish9@j/job/7/")
    monkeypatch.setenv("BUILD_USER_ID", "ada hunter2hunter2\n\x1b[2Jroot")
    found = actor.current()
    assert found.url == "https://j/job/7/"
    assert found.started_by == "ada [redacted] [2Jroot"
    KNOWN.forget()


@pytest.mark.parametrize("data", [None, [], "ada", {"name": 3, "login": None}, {"more": "x"}])
def test_a_file_may_say_anything(data):
    assert actor.read(data) == Actor()
    assert str(actor.read(data)) == "unknown"


def test_the_journal_says_who_began(tmp_path):
    journal = Journal(FILES, tmp_path / "journal.jsonl")
    journal.write("a", "begin", data={"kind": "deploy"})
    journal.write("a", "end", data={"ok": True})
    journal.write("b", "note", "repair", {"actor": {"login": "grace"}})
    began, ended, noted = journal.entries()
    assert began["data"] == {"actor": {"login": "ada", "host": "mac"}, "kind": "deploy"}
    assert ended["data"] == {"ok": True}
    assert noted["data"]["actor"] == {"login": "grace"}
    assert journal.verify() == []


def test_whoever_is_locked_out_reads_who_and_where(tmp_path, monkeypatch):
    for name, value in GITHUB.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "lock"
    with (
        lock.held(FILES, path, "deploy 1.0.0"),
        pytest.raises(Locked, match=r"^ada \(GitHub Actions run 4711\) is running deploy") as error,
        lock.held(FILES, path, "rollback"),
    ):
        pass
    assert error.value.details == ("see https://git.example.com/ada/shop/actions/runs/4711",)


def test_an_earlier_version_reads_the_lock(tmp_path):
    path = tmp_path / "lock"
    with lock.held(FILES, path, "deploy"):
        data = json.loads(path.read_text())
    assert (data["user"], data["machine"]) == ("ada", "mac")


def test_a_hold_of_an_earlier_version_names_who_set_it(tmp_path):
    state = StateFolder(tmp_path)
    old = {"reason": "broken", "user": "ann", "machine": "box", "since": "2026-01-02T03:04:05"}
    state.hold.write_text(json.dumps(old))
    assert str(hold.read(FILES, state)) == "broken (ann on box, 2026-01-02T03:04 UTC)"
    state.hold.write_text(json.dumps({**old, "actor": [], "user": 3}))
    assert hold.read(FILES, state).reason == "broken"


def noted(site):
    """What the journal says, newest first: what was done, who did it and why."""
    return [(item.kind, str(item.actor), item.reason) for item in operations(site, last=9)]


def left_behind(site, operation):
    """The lock of a deployer that died elsewhere, and that nobody renews."""
    own = this_process(operation, 0.2)
    grace = replace(own, actor=Actor(login="grace", host="pc"), where="another boot")
    site.host.files.write(site.state.lock, grace.content())
    os.utime(site.state.lock, (0, 0))
    return grace


def test_holds_are_noted(tmp_path):
    site = FakeHostEnvironment(tmp_path / "state")
    placed = holding.place(site, "the bug in 1.0.1")
    assert holding.take_away(site, reason="fixed") == placed
    assert holding.take_away(site) is None
    assert noted(site) == [
        ("hold.lift", "ada on mac", f"hold {placed}, reason fixed"),
        ("hold", "ada on mac", "the bug in 1.0.1"),
    ]
    assert site.journal.verify() == []


def test_a_takeover_is_noted_with_whose_lock_it_was(tmp_path):
    site = FakeHostEnvironment(tmp_path / "state")
    left_behind(site, "deploy 1.0.1")
    with lead_lock.held([site], "rollback 1.0.0"):
        pass
    with lead_lock.held([site], "deploy 1.0.2"):
        pass
    said = "lock of grace on pc: deploy 1.0.1, operation rollback 1.0.0"
    assert noted(site) == [("takeover", "ada on mac", said)]


def test_whoever_waits_for_a_turn_notes_a_takeover_too(tmp_path):
    site = FakeHostEnvironment(tmp_path / "state")
    left_behind(site, "deploy 1.0.1")
    Turn(9.0).wait(Fleet((site,)), "deploy", print)
    assert [kind for kind, _, _ in noted(site)] == ["takeover"]


def test_a_forced_unlock_is_noted_and_stops_the_holder(tmp_path):
    site = FakeHostEnvironment(tmp_path / "state")
    path = site.state.lock
    with lock.held(site.host.files, path, "deploy 1.0.1") as holder:
        assert unlocking.force_unlock(site, holder, reason="the laptop is gone")
        assert lock.read(site.host.files, path) is None
        with pytest.raises(Fenced):
            lock.check(site.host.files, path, holder)
        assert not unlocking.force_unlock(site, holder)
    whose = "lock of ada on mac: deploy 1.0.1, reason the laptop is gone"
    assert noted(site) == [("unlock", "ada on mac", whose)]


def test_somebody_else_keeps_a_lock_that_was_meant_for_another(tmp_path):
    site = FakeHostEnvironment(tmp_path / "state")
    old = left_behind(site, "deploy 1.0.1")
    new = replace(old, token="b" * 32)
    site.host.files.write(site.state.lock, new.content())
    assert not unlocking.force_unlock(site, old)
    assert lock.read(site.host.files, site.state.lock) == new
    assert noted(site) == []


def test_a_torn_lock_can_be_forced(tmp_path):
    site = FakeHostEnvironment(tmp_path / "state")
    site.host.files.write(site.state.lock, b"{")
    assert unlocking.force_unlock(site, lock.read(site.host.files, site.state.lock))
    assert not site.state.lock.exists()


def test_a_damaged_journal_does_not_keep_people_from_a_hold(tmp_path):
    site, said = FakeHostEnvironment(tmp_path / "state"), []
    site.host.files.write(site.state.journal, b"nothing\n")
    assert holding.place(site, "stop", say=said.append).reason == "stop"
    assert hold.read(FILES, site.state).reason == "stop"
    assert "the journal of prod does not say so" in said[0]


def test_a_disk_that_is_full_does_not_keep_a_lock(tmp_path, monkeypatch):
    site, said = FakeHostEnvironment(tmp_path / "state"), []
    holder = left_behind(site, "deploy 1.0.1")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalFiles, "write", full)
    assert unlocking.force_unlock(site, holder, say=said.append)
    assert not site.state.lock.exists()
    assert "No space left" in said[0]


def test_a_lock_that_was_taken_and_got_no_number_is_free(tmp_path, monkeypatch):
    """The disk is full right after the takeover: what was done must be said."""
    site, said = FakeHostEnvironment(tmp_path / "state"), []
    holder, write = left_behind(site, "deploy 1.0.1"), LocalFiles.write

    def full(self, path, *rest):
        if path.name == "fence":
            raise OSError(28, "No space left on device")
        write(self, path, *rest)

    monkeypatch.setattr(LocalFiles, "write", full)
    assert unlocking.force_unlock(site, holder, say=said.append)
    assert not site.state.lock.exists()
    assert "No space left" in said[0]
    with pytest.raises(OSError, match="No space"), lead_lock.held([site], "deploy 1.0.2"):
        pass
    assert not site.state.lock.exists()


def test_where_another_host_leads_no_lock_is_taken_from_its_holder(tmp_path):
    one, two = (FakeHostEnvironment(tmp_path / name, host_name=name) for name in ("web1", "web2"))
    one.remote = two.remote = True
    with lead_lock.held([one, two], "deploy 1.0.0"):
        pass
    lead_move.move(Fleet((one, two)), two)
    holder = left_behind(one, "deploy 1.0.1")
    with pytest.raises(lead_lock.LeadMoved, match="moved to web2"):
        unlocking.force_unlock(one, holder)
    assert lock.read(FILES, one.state.lock) == holder


def test_hosts_that_are_provisioned_are_noted_where_there_is_a_journal(tmp_path):
    site, said = FakeHostEnvironment(tmp_path / "state"), []
    note_provisioning(nullcontext(site), "provision", ["web3"])
    assert not site.state.journal.exists()
    holding.place(site, "wait")
    note_provisioning(nullcontext(site), "deprovision", ["web2", "web3"], reason="sold")
    assert noted(site)[0] == ("deprovision", "ada on mac", "hosts web2, web3, reason sold")
    with lock.held(FILES, site.state.lock, "deploy"), pytest.raises(Locked, match="deploy"):
        note_provisioning(nullcontext(site), "provision", ["web3"])
    assert said == []


@pytest.mark.parametrize(
    "error",
    [
        UsageError("web3 does not let us in"),
        HostLost("the connection to web3 was lost"),
        PermissionError(13, "Permission denied", "lead.json"),
    ],
)
def test_hosts_are_provisioned_even_if_their_environment_cannot_be_opened(error):
    @contextmanager
    def unknown():
        raise error
        yield

    said = []
    note_provisioning(unknown(), "provision", ["web3"], say=said.append)
    assert said == [f"no journal says so: {error}"]


def test_hosts_are_provisioned_even_if_no_lock_can_be_written(tmp_path, monkeypatch):
    site, said = FakeHostEnvironment(tmp_path / "state"), []
    holding.place(site, "wait")

    def full(*_):
        raise OSError(28, "No space left on device")

    for act in ("write", "create"):
        monkeypatch.setattr(LocalFiles, act, full)
    note_provisioning(nullcontext(site), "provision", ["web3"], say=said.append)
    assert said == ["no journal says so: [Errno 28] No space left on device"]
    assert noted(site)[0][0] == "hold"


def test_journals_of_earlier_versions_name_nobody(tmp_path):
    site = FakeHostEnvironment(tmp_path / "state")
    began = {"kind": "deploy", "release": "1.0.0", "actor": None}
    site.journal.write("a", "begin", data=began)
    site.journal.write("a", "end", data={"ok": True})
    assert noted(site) == [("deploy", "unknown", "")]
