"""Steps carried out on a host, each noted there before it begins."""

from __future__ import annotations

import re
from collections.abc import Sequence

from towline.errors import TowlineError
from towline.hosts.base import Result
from towline.hosts.connection import SshConnection
from towline.progress import Progress
from towline.provision.facts import Facts
from towline.provision.plan import Step
from towline.provision.record import FOLDER, PATH, Record
from towline.provision.root import act, write_file

# Of a package that is there already and only becomes newer, apt names the old version too:
# `Inst NAME [OLD] (NEW …`. Such a package is not ours to remove.
_INSTALLED = re.compile(r"^Inst (\S+) \(", re.MULTILINE)
_SHOWN_LINES = 12


def apply(
    connection: SshConnection, facts: Facts, steps: Sequence[Step], progress: Progress
) -> None:
    """Carry steps out, in order.

    Raises:
        TowlineError: When one fails; what was done before it stays, and the next run goes on.
    """
    record, host = facts.record, connection.address.short
    for step in steps:
        with progress.step(f"{host}: {step.title}"):
            note = step.note
            if step.packages:
                asked = _done(connection, facts, step, step.packages)
                note = note.with_(Record(packages=tuple(_INSTALLED.findall(asked.out))))
            lines = [step.script]
            if note != Record():
                record = record.with_(note)
                noted = [f"install -d -m 0755 {FOLDER}", *write_file(PATH, record.dump(), "0644")]
                lines = [*noted, *lines]
            _done(connection, facts, step, "\n".join(lines))


def _done(connection: SshConnection, facts: Facts, step: Step, script: str) -> Result:
    result = act(connection, script, rights=facts.rights)
    if not result.ok:
        said = [line for line in (result.out + result.err).splitlines() if line.strip()]
        raise TowlineError(
            f"{connection.address.short}: could not {step.title}",
            details=said[-_SHOWN_LINES:],
            remedy="fix what it says, and run the same command again: it goes on from there",
        )
    return result
