"""A release is judged by what its users get, on a real engine, and goes back when that is bad."""

import re

import pytest
from test_request_log import FAULTY

from loadgen import Load
from projects import remove
from toy import APP, CONF, release, toy

ANALYSIS = """
analysis:
  window: 4s
  interval: 1s
  minimum: 20
  checks: {errors: "< 5%", p95: {pass: "< 1s", minimum: 5}, restarts: "< 1"}
"""
SLOW = APP.replace("        said =", "        import time; time.sleep(1.5)\n        said =")


@pytest.fixture
def project(tmp_path):
    made = toy(tmp_path)
    conf = made.root / "deploy/security/nginx/nginx.conf"
    conf.write_text(CONF.replace("access_log off;", ""))
    config = made.root / "towline.yaml"
    config.write_text(config.read_text() + ANALYSIS)
    yield made
    remove(made)


def test_releases_are_judged_by_what_their_users_get(project):
    release(project, "1.0.0")
    first = project.inv("deploy", "--yes").ok()
    assert "the first release has no traffic to be judged by" in first.text
    with Load(f"http://127.0.0.1:{project.http}", steady=4, fresh=2, pause=0.02) as load:
        release(project, "1.1.0")
        done = project.inv("deploy", "--yes").ok()
        assert re.search(r"analysis: 3 checks passed in \d+(\.\d)? s: errors 0 % \(of", done.text)

        seen = project.inv("canary", "--json", "--watch", "2s").ok().json
        (slot,) = [item for item in seen["slots"] if item["share"]]
        assert (slot["release"], slot["share"], slot["errors"]) == ("1.1.0", 100, 0.0)
        assert slot["requests"] > 50
        assert "1.1.0" in project.inv("canary").ok().out

        release(project, "1.2.0", FAULTY)
        bad = project.inv("deploy", "--yes")
        assert bad.code == 4, bad.text
        assert re.search(r"gate analysis failed: failed 3 of \d times in .*: errors", bad.text)

        release(project, "1.3.0", SLOW)
        slow = project.inv("deploy", "--yes")
        assert slow.code == 4, slow.text
        assert re.search(r"gate analysis failed: .*p95 1[56]\d\d ms", slow.text)
        # Nobody knows what few requests mean: traffic goes back, and the release is not bad.
        config = project.root / "towline.yaml"
        config.write_text(config.read_text().replace("minimum: 20", "minimum: 90000"))
        release(project, "1.4.0")
        few = project.inv("deploy", "--yes")
        assert few.code == 4, few.text
        assert "gate analysis is inconclusive" in few.text
        assert "1.4.0 is not marked bad" in few.text
    assert not load.tally.lost
    # What the releases themselves answered badly, and nothing else.
    assert set(load.tally.statuses) == {200, 500}
    found = project.inv("history", "--json").ok().json["operations"]
    assert [row["result"] for row in found] == ["rolled back"] * 3 + ["ok"] * 2
    told = project.inv("history", "--show", found[2]["id"], "--json").ok().json
    verdicts = [item for step in told["steps"] for item in step["verdicts"]]
    (judged,) = [item for item in verdicts if item["gate"] == "analysis"]
    assert judged["outcome"] == "fail"
    assert 10 < judged["figures"]["errors"] < 30
    assert judged["figures"]["errors_fail"] == 3
