"""Which hosts retain which release is said where they differ, and only there."""

import sys
from pathlib import Path

import pytest

from towline.environments.host_environment import Away, Fleet
from towline.errors import HostLost, TowlineError
from towline.insight.retained import retained
from towline.state.releases import Status
from towline.tasks import rollback

sys.path.insert(0, str(Path(__file__).parents[1] / "rollout"))

from fakes import FakeHostEnvironment


@pytest.fixture
def sites(tmp_path):
    """1.0.1 is live on two hosts, and 1.0.0 retained."""
    found = []
    for name in ("web1", "web2"):
        site = FakeHostEnvironment(tmp_path / name, host_name=name)
        site.remote = True
        site.keep("1.0.0", status=Status.GOOD)
        site.serve(site.keep("1.0.1"))
        found.append(site)
    return found


def short(rows):
    return [(row["release"], row["where"], row.get("hosts")) for row in rows]


def test_hosts_that_agree_are_not_named_to_people_and_are_to_machines(sites):
    found = retained(Fleet(tuple(sites)))
    assert short(rollback.table(found)) == [("1.0.1", "live", None), ("1.0.0", "kept", None)]
    both = ("web1", "web2")
    assert short([item.data() for item in found.releases]) == [
        ("1.0.1", "live", both),
        ("1.0.0", "kept", both),
    ]


def test_each_state_of_a_release_names_the_hosts_that_have_it(sites):
    one, two = sites
    # Failed on one host only; retained on the other only; live on different hosts.
    one.store.mark(one.keep("1.0.2"), Status.BAD, "unhealthy")
    two.serve(two.keep("1.0.3"), "green")
    two.keep("0.9.9")
    found = retained(Fleet((one, two)))
    shown = {(row["release"], row["where"]): row["hosts"] for row in rollback.table(found)}
    assert shown == {
        ("0.9.9", "kept"): "web2",
        ("1.0.3", "live"): "web2",
        ("1.0.2", "kept"): "web1",
        ("1.0.1", "live"): "web1",
        ("1.0.1", "ready to start"): "web2",
        ("1.0.0", "kept"): "all",
    }
    # Each host's own order is kept.
    order = [item.release for item in found.releases]
    assert order.index("1.0.2") < order.index("1.0.1") < order.index("1.0.0")
    assert order.index("0.9.9") < order.index("1.0.3") < order.index("1.0.1")


def test_a_lost_image_differs_too(sites):
    sites[1].keep("1.1.0", images={"api": "sha256:x"})
    sites[0].keep("1.1.0", images={"api": "sha256:x"})
    sites[1].engine.images.lost = {"sha256:x"}
    found = retained(Fleet(tuple(sites)))
    newest = [row for row in short(rollback.table(found)) if row[0] == "1.1.0"]
    assert newest == [("1.1.0", "kept", "web1"), ("1.1.0", "image missing", "web2")]


def test_a_host_that_is_away_hides_the_others_from_nobody(sites, capsys):
    fleet = Fleet(tuple(sites), (Away("web3", "left out"),))
    rollback._list(fleet, json=False)
    said = capsys.readouterr()
    assert said.err == "web3 is not shown: left out\n"
    assert [line.split()[1] for line in said.out.splitlines()] == ["release", "1.0.1", "1.0.0"]

    def gone():
        raise HostLost("no Docker engine answers on web1")

    sites[0].engine.observe = gone
    found = retained(fleet)
    assert [item.host for item in found.away] == ["web1", "web3"]
    assert found.hosts == ("web2",)
    assert short(rollback.table(found))[0] == ("1.0.1", "live", None)
    sites[1].engine.observe = gone
    with pytest.raises(TowlineError, match="no host of prod can be asked"):
        retained(fleet)


def test_one_machine_has_no_hosts_to_name(tmp_path, capsys):
    site = FakeHostEnvironment(tmp_path)
    rollback._list(Fleet((site,)), json=False)
    assert capsys.readouterr().out == "no release is retained\n"
    site.serve(site.keep("1.0.0"))
    assert "hosts" not in retained(Fleet((site,))).releases[0].data()
