"""Findings are shown once, each with what to do about it, by whichever check found them."""

import pytest

from towline.checks.preflight import stop_on_errors
from towline.errors import CheckFailed
from towline.findings import Finding, Severity
from towline.tasks import check

FINDINGS = [
    Finding("disk", Severity.ERROR, "host1: 1 GB free", "free some", ("a detail",)),
    Finding("clock", Severity.WARNING, "host1: 3 s off", "run NTP"),
    Finding("engine", Severity.OK, "host1: Docker 27"),
]


def test_each_finding_is_shown_once_with_its_remedy(capsys):
    check.show(FINDINGS, json=False)
    assert capsys.readouterr().out.splitlines() == [
        "error    disk    host1: 1 GB free",
        "                   a detail",
        "                 -> free some",
        "warning  clock   host1: 3 s off",
        "                 -> run NTP",
        "ok       engine  host1: Docker 27",
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
