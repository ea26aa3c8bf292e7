"""A canary on a real engine, under load."""

import dataclasses
import re
import shutil
import urllib.request

import pytest

from loadgen import Load, wait_until
from projects import remove
from toy import APP, release, toy

# Well for so many requests, then broken: what no start of a container shows.
BREAKS = APP.replace(
    "        self.send_response(200)",
    "        global answered\n        answered += 1\n"
    "        self.send_response(500 if answered > 60 else 200)",
).replace("\nclass Answer", "\nanswered = 0\n\nclass Answer")


@pytest.fixture
def make(tmp_path):
    made = []

    def build(steps, window):
        canary = f", strategy: canary, replicas: 2, canary: {{steps: {steps}, window: {window}}}"
        made.append(toy(tmp_path, rollout=canary))
        return made[-1]

    yield build
    for project in made:
        remove(project)


def test_a_canary_loses_no_request_and_one_that_fails_goes_back(make):
    project = make("[25%, 50%]", "3s")
    release(project, "1.0.0")
    project.inv("deploy").ok()
    release(project, "1.1.0")
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        done = project.inv("deploy").ok()
        tally = load.stop()
    assert (tally.lost, tally.failed) == ([], 0)
    assert set(tally.releases) == {"1.0.0", "1.1.0"}
    assert "send 25 % of traffic to the new release" in done.err
    release(project, "1.2.0", BREAKS)
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        done = project.inv("deploy")
        tally = load.stop()
    assert done.code == 4, done.text
    # How soon it breaks, the load decides.
    assert re.search(r"failed at step canary-(25|50): gate (bake|health) failed", done.err)
    assert "1.1.0 serves all traffic" in done.err
    assert tally.lost == []
    # Nobody but who got the canary saw that it failed, and most did not.
    assert 0 < tally.failed < tally.releases["1.2.0"] < tally.answered
    assert project.inv("status", "--json").ok().json["live"] == "1.1.0"


def test_a_paused_canary_is_seen_and_let_go_on_from_another_checkout(make, tmp_path):
    project = make("[25%, pause, 50%]", "1s")
    for version in ("1.0.0", "1.1.0"):
        release(project, version)
        done = project.inv("deploy").ok()
    assert "1.1.0 is paused at 25 % of traffic in local" in done.out
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        wait_until(lambda: load.tally.answered >= 600, "too few answers")
        tally = load.stop()
    share = tally.releases["1.1.0"] / tally.answered
    assert 0.18 < share < 0.32
    release(project, "1.2.0")
    refused = project.inv("deploy")
    assert refused.code == 3, refused.text
    assert "deploy 1.1.0 is paused at 25 % of traffic" in refused.err
    assert "`inv deploy.promote --env local` goes on with it" in refused.err
    elsewhere = dataclasses.replace(project, root=tmp_path / "another")
    shutil.copytree(project.root, elsewhere.root)
    status = elsewhere.inv("status", "--json").ok().json
    assert (status["live"], status["interrupted"]) == ("1.0.0", None)
    paused = status["paused"]
    assert (paused["release"], paused["before"], paused["share"]) == ("1.1.0", "1.0.0", 25)
    shown = elsewhere.inv("status").ok().out
    assert "1.1.0 (canary) is paused at 25 % of traffic, after step canary-25" in shown
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        done = elsewhere.inv("deploy.promote", "--reason", "looks good").ok()
        tally = load.stop()
    assert (tally.lost, tally.failed) == ([], 0)
    assert "1.1.0 is live in local" in done.out
    assert project.inv("status", "--json").ok().json["live"] == "1.1.0"
    assert "looks good" in project.inv("history").ok().out
    assert "the chain is whole" in project.inv("history", "--verify").ok().out
    # Paused once more, it is rolled back from a command that knows nothing of canaries.
    project.inv("deploy").ok()
    back = elsewhere.inv("rollback", "--auto-approve", "--reason", "no").ok()
    assert "1.1.0 is live in local" in back.out
    assert project.inv("status", "--json").ok().json["hold"]


def test_a_canary_that_is_at_work_is_asked_to_pause_and_is_aborted(make):
    project = make("[25%, 50%]", "8s")
    release(project, "1.0.0")
    project.inv("deploy").ok()
    release(project, "1.1.0")
    running = project.start("deploy")
    try:
        wait_until(
            lambda: any(
                (e["event"], e["step"]) == ("intent", "canary-25") for e in project.journal()
            ),
            "the canary did not begin",
            limit=120,
        )
        asked = project.inv("deploy.pause", "--reason", "odd figures").ok()
        assert "1.1.0 pauses after its current step" in asked.out
        said = running.communicate(timeout=120)[0]
    finally:
        running.kill()
    assert running.returncode == 0, said
    assert "1.1.0 is paused at" in said
    paused = project.inv("status", "--json").ok().json["paused"]
    assert paused["reason"] == "odd figures"
    assert "bake" in paused["verdict"]
    assert "no deploy to pause in local: it is paused already" in project.inv("deploy.pause").err
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        project.inv("deploy.abort").ok()
        tally = load.stop()
    assert (tally.lost, tally.failed) == ([], 0)
    status = project.inv("status", "--json").ok().json
    assert (status["live"], status["paused"], status["hold"]) == ("1.0.0", None, None)


def test_users_stay_with_their_release_and_a_header_asks_for_the_new_one(make):
    told = "[pause, 50%, pause]"
    project = make(told, "1s, stick: cookie, preview: {header: X-Release, value: new}")
    for version in ("1.0.0", "1.1.0"):
        release(project, version)
        project.inv("deploy").ok()
    assert {ask(project)[0] for _ in range(20)} == {"1.0.0"}
    assert {ask(project, X_Release="new")[0] for _ in range(20)} == {"1.1.0"}
    assert {ask(project, X_Release="other")[0] for _ in range(20)} == {"1.0.0"}
    project.inv("deploy.promote").ok()
    users = [ask(project) for _ in range(40)]
    assert {version for version, _ in users} == {"1.0.0", "1.1.0"}
    for version, cookie in users[:15]:
        again = [ask(project, Cookie=cookie) for _ in range(5)]
        assert set(again) == {(version, "")}
        assert ask(project, Cookie=cookie, X_Release="new")[0] == "1.1.0"
    project.inv("deploy.promote").ok()
    assert {ask(project) for _ in range(20)} == {("1.1.0", "")}


def ask(project, **headers):
    """The release that answers, and the cookie that it sets."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{project.http}/", headers=named)
    with urllib.request.urlopen(request, timeout=5) as answer:
        cookie = answer.headers.get("Set-Cookie", "").partition(";")[0]
        return answer.headers["X-Release"], cookie
