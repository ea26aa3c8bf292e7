"""Findings: what a check has to say."""

from collections.abc import Iterable
from dataclasses import dataclass
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
        remedy: How to mend it; empty when all is well.
        details: More of it, a line each, such as a diff.
    """

    check: str
    severity: Severity
    message: str
    remedy: str = ""
    details: tuple[str, ...] = ()


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that stop a deploy."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]
