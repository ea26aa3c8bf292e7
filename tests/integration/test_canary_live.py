"""A canary on a real engine, under load."""

import pytest

from loadgen import Load
from projects import remove
from toy import APP, release, toy

# Well for so many requests, then broken: what no start of a container shows.
BREAKS = APP.replace(
    "        self.send_response(200)",
    "        global answered\n        answered += 1\n"
    "        self.send_response(500 if answered > 150 else 200)",
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
    assert "failed at step canary-25: gate bake failed" in done.err
    assert "1.1.0 serves all traffic" in done.err
    assert tally.lost == []
    # Nobody but who got the canary saw that it failed, and most did not.
    assert 0 < tally.failed < tally.releases["1.2.0"] < tally.releases["1.1.0"]
    assert project.inv("status", "--json").ok().json["live"] == "1.1.0"
