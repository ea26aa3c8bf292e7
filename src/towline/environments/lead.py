"""Which host has journal, lock and hold; every host knows, so no list of hosts can begin a second.

`lead.json` in the state folder of each host names the lead. On the lead itself it says `here`:
names in lists of hosts change, what a host says of itself does not. `number` counts the moves of
the lead; the highest one is true.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from towline.environments.host_environment import HostEnvironment
from towline.errors import Locked, TowlineError, UsageError


@dataclass(frozen=True)
class Record:
    """What a host knows of the lead.

    Attributes:
        host: Name of the lead.
        history: Tells the environment's one history from all others.
        number: How often the lead was chosen; a higher one replaces a lower one.
        here: Whether this very host is the lead.
        moving: Whether the journal is still on its way from this host to the lead.
    """

    host: str
    history: str
    number: int = 1
    here: bool = False
    moving: bool = False


def read(site: HostEnvironment) -> Record | None:
    """What a host knows of the lead; None when it knows nothing.

    Raises:
        TowlineError: When its record cannot be read.
    """
    try:
        return Record(**json.loads(site.host.files.read(site.state.lead)))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise TowlineError(
            f"{site.state.lead} on {site.host.name} cannot be read",
            remedy=f"remove it; `inv hosts.lead --env {site.name}` shows what the others know",
        ) from None


def write(site: HostEnvironment, record: Record) -> None:
    """Let a host know which one is the lead."""
    site.files.write(site.state.lead, _text(record), 0o600)


def find(sites: Sequence[HostEnvironment], away: Sequence[str] = ()) -> HostEnvironment:
    """The lead among the hosts that are open.

    Args:
        sites: The environment on the hosts that are open.
        away: Names of the hosts that are not.

    Raises:
        UsageError: When it is not among them, or nobody can tell which one it is.
    """
    if not sites[0].remote:
        return sites[0]
    known = {site.host.name: read(site) for site in sites}
    records = [record for record in known.values() if record]
    if not records:
        return _by_files(sites, away)
    histories = {record.history for record in records}
    leads = [site for site in sites if (found := known[site.host.name]) and found.here]
    if len(histories) > 1:
        raise _two_histories(sites[0].name, [site.host.name for site in leads])
    newest = max(records, key=lambda record: (record.number, record.here))
    leads = [site for site in leads if known[site.host.name] == newest]
    if len(leads) == 1:
        return leads[0]
    if leads:
        raise _two_histories(newest.host, [site.host.name for site in leads])
    raise _not_here(sites, newest, away)


def known(sites: Sequence[HostEnvironment]) -> Record | None:
    """The newest that these hosts know of the lead."""
    records = [record for site in sites if (record := read(site))]
    return max(records, key=lambda record: (record.number, record.here), default=None)


def _by_files(sites: Sequence[HostEnvironment], away: Sequence[str]) -> HostEnvironment:
    """The lead of an environment that nobody recorded one for: it has the journal."""
    name = sites[0].name
    having = [site for site in sites if site.host.files.exists(site.state.journal)]
    if len(having) > 1:
        raise _two_histories(name, [site.host.name for site in having])
    if having:
        return having[0]
    keeping = [site for site in sites if site.host.files.names(site.state.releases)]
    if keeping:
        kept = keeping[0].host.name
        raise UsageError(
            f"{kept} keeps releases of {name}, and none of the hosts asked has its journal",
            remedy=f"name the host that has it in environments.{name}.hosts; if it is lost, "
            f"`inv hosts.lead --host {kept} --force --env {name}` begins a new one",
        )
    if away:
        raise UsageError(
            f"nobody knows whether {' or '.join(away)} has the journal of {name}",
            remedy="the first deploy needs every host: remove those that do not exist from "
            f"environments.{name}.hosts",
        )
    return sites[0]


def _two_histories(environment: str, hosts: Sequence[str]) -> UsageError:
    each = " and ".join(hosts)
    return UsageError(
        f"{each or 'these hosts'} have journals of {environment} that do not belong together",
        remedy="choose one, whose journal goes on: "
        f"`inv hosts.lead --host {hosts[0] if hosts else 'HOST'} --force --env {environment}`; the "
        "other one is set aside on its host",
    )


def _not_here(sites: Sequence[HostEnvironment], newest: Record, away: Sequence[str]) -> UsageError:
    name, first = sites[0].name, sites[0].host.name
    move = f"`inv hosts.lead --host {first} --env {name}`"
    if any((record := read(site)) and record.moving for site in sites):
        return UsageError(
            f"moving the lead of {name} to {newest.host} was interrupted",
            remedy=f"`inv hosts.lead --host {newest.host} --env {name}` goes on with it",
        )
    force = f"`inv hosts.lead --host {first} --force --env {name}`"
    if newest.host in away:
        return UsageError(
            f"{newest.host} is away, and it is the lead of {name}: it has journal, lock and hold",
            remedy=f"wait for it; if users cannot, {force} makes {first} the lead and says what "
            "is lost",
        )
    if newest.host in {site.host.name for site in sites}:
        return UsageError(
            f"{newest.host} is the lead of {name}, and its state is gone; was it replaced?",
            remedy=f"restore {sites[0].state.root} there from a backup, or begin a new journal: "
            f"{force}",
        )
    return UsageError(
        f"{newest.host} is the lead of {name}, and environments.{name}.hosts does not name it",
        remedy=f"name it there; while it is named, {move} moves the lead away from it; if it is "
        f"lost, {force}",
    )


def replacing(site: HostEnvironment, record: Record) -> Record | None:
    """What a host knows of a lead that replaced the one of `record`; None when it knows none."""
    try:
        there = read(site)
    except TowlineError:
        # It proves nothing; the lock does.
        return None
    if there is None or there.number < record.number:
        return None
    own = (record.number, record.host, record.history)
    return there if (there.number, there.host, there.history) != own else None


def claim(sites: Sequence[HostEnvironment]) -> Record | None:
    """Let hosts that know of no lead know the first one; of two who do that at once, one wins.

    Raises:
        Locked: When somebody else makes another host the lead.
    """
    lead = sites[0]
    if not lead.remote:
        return None
    record = read(lead) or Record(lead.host.name, uuid.uuid4().hex, here=True)
    made: list[HostEnvironment] = []
    for site in sites:
        own = record if site is lead else replace(record, here=False, moving=False)
        # Whoever knows is not written to: a host whose disk is full can still roll back.
        if read(site) is None and site.host.files.create(site.state.lead, _text(own)):
            made.append(site)
            continue
        there = read(site)
        if there and there.history != record.history:
            for mine in made:
                mine.host.files.remove(mine.state.lead)
            raise Locked(
                f"someone else makes {there.host} the lead of {lead.name}",
                remedy="run the command again",
            )
    return record


def spread(sites: Sequence[HostEnvironment], record: Record) -> None:
    """Let every host know the lead; what an earlier one still has of the journal is set aside."""
    for site in sites[1:]:
        there = read(site)
        knows = there and there.number >= record.number and there.history == record.history
        if knows and not (there and there.moving):
            continue
        set_aside(site)
        write(site, replace(record, here=False, moving=False))


def set_aside(site: HostEnvironment) -> None:
    """Put away a journal that does not count, and a hold with it."""
    files, root = site.files, site.state.root
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for name in journal_files(site):
        files.move(root / name, root / f"aside-{stamp}.{name}")
    files.remove(site.state.hold)


def journal_files(site: HostEnvironment) -> list[str]:
    """Names of the files of a host's journal."""
    name = site.state.journal.stem
    found = site.host.files.names(site.state.root)
    return [item for item in found if item.startswith(name) and ".damaged-" not in item]


def _text(record: Record) -> bytes:
    return json.dumps(asdict(record)).encode()
