"""Findings are shown once, each with what to do about it, by whichever check found them."""

import json

import pytest

from towline.checks.preflight import stop_on_errors
from towline.errors import CheckFailed
from towline.findings import Finding, Severity
from towline.hosts.capacity import Capacity, Space, judge_space, judge_versions
from towline.hosts.facts import HostFacts
from towline.provision.facts import Engine, Facts
from towline.provision.findings import examine
from towline.tasks import check

FINDINGS = [
    Finding("engine", Severity.OK, "Docker 27", host="host1"),
    Finding("disk", Severity.ERROR, "1 GB free", "free some", ("a detail",), "host1"),
    Finding("clock", Severity.WARNING, "nothing keeps its clock right", "run NTP", host="host1"),
    Finding("clock", Severity.WARNING, "nothing keeps its clock right", "run NTP", host="host2"),
    Finding("engine", Severity.OK, "Docker 28", host="host2"),
]


def test_each_finding_is_shown_once_with_its_remedy(capsys):
    check.show(FINDINGS, json=False)
    assert capsys.readouterr().out.splitlines() == [
        "error    disk    host1: 1 GB free",
        "                   a detail",
        "                 -> free some",
        "warning  clock   host1, host2: nothing keeps its clock right",
        "                 -> run NTP",
        "ok       engine  host1: Docker 27",
        "ok       engine  host2: Docker 28",
    ]


def test_what_was_shown_is_not_told_again_and_the_check_has_its_name():
    with pytest.raises(CheckFailed) as raised:
        stop_on_errors(FINDINGS, check="check of the hosts", command="inv x", shown=True)
    assert raised.value.message == "the check of the hosts found 1 error; nothing was changed"
    assert raised.value.details == ()
    assert "inv x" in raised.value.remedy
    assert "pre-deploy" not in str(raised.value) + raised.value.remedy


def test_a_deploy_tells_all_of_them():
    with pytest.raises(CheckFailed) as raised:
        stop_on_errors(FINDINGS)
    assert raised.value.details == ("disk: host1: 1 GB free", "    a detail", "    -> free some")


def test_machines_read_the_host_in_a_field(capsys):
    check.show(FINDINGS[:1], json=True)
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == "towline.check/1"
    assert data["findings"] == [
        {"check": "engine", "severity": "ok", "message": "Docker 27", "remedy": "", "details": [],
         "host": "host1"}
    ]  # fmt: skip


def test_checks_of_one_host_and_of_a_fleet_say_the_same():
    found = Capacity("19.03.1", "", [Space("state", 10, "/x")])
    said = [*judge_versions(found, "install it"), *judge_space(found, 1000)]
    assert [(item.check, item.message) for item in said] == [
        ("engine", "Docker engine 19.03.1 is older than 20.10"),
        ("compose", "Compose version 2 is not installed"),
        ("disk", "10 B free for state in /x, 1.0 kB wanted"),
    ]
    host = Facts(host=HostFacts(docker="Docker version 19"), own=Engine("19.03.1"), disk_state=10)
    there = {item.message for item in examine(host, "prod", 1000)}
    assert {item.message.replace(" in /x", "") for item in said} <= there
