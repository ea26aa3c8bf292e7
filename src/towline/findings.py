"""Findings: what a check has to say."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters: an error stops a deploy, a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Attributes:
        check: Short name of the check, such as `disk` or `secrets`.
        severity: Whether it stops a deploy.
        message: What was found, and where.
        remedy: How to fix it; empty when all is well.
        details: More of it, a line each, such as a diff.
        host: Where it was found; empty where that is no question.
    """

    check: str
    severity: Severity
    message: str
    remedy: str = ""
    details: tuple[str, ...] = ()
    host: str = ""


@dataclass(frozen=True, slots=True)
class Grouped:
    """One finding, and all hosts that it is on."""

    finding: Finding
    hosts: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """What was found, and where."""
        where = f"{', '.join(self.hosts)}: " if self.hosts else ""
        return f"{where}{self.finding.message}"


def group(findings: Iterable[Finding]) -> list[Grouped]:
    """Each finding once, the worst first."""
    found: dict[Finding, list[str]] = {}
    for finding in findings:
        hosts = found.setdefault(replace(finding, host=""), [])
        if finding.host and finding.host not in hosts:
            hosts.append(finding.host)
    order = list(Severity)
    groups = [Grouped(finding, tuple(hosts)) for finding, hosts in found.items()]
    return sorted(groups, key=lambda item: order.index(item.finding.severity))


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that stop a deploy."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]
