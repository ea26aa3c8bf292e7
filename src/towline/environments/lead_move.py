"""Move the lead of an environment to another host, with journal, hold and fence number.

Each step can be done again: first the old lead says that it is none any more, so that nobody works
there; then its journal, which cannot change now, is copied; then the new lead says that it is one.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from towline.environments import lead, place
from towline.environments.host_environment import Fleet, HostEnvironment
from towline.environments.journal_anchor import anchors
from towline.environments.lead import Record
from towline.environments.lead_lock import armed
from towline.environments.notes import note_takeover
from towline.errors import Locked, UsageError
from towline.hosts.reading import walk
from towline.state import lock


def move(fleet: Fleet, target: HostEnvironment, *, reason: str = "") -> str:
    """Make a host the lead; returns the name of the one that was.

    Args:
        fleet: The environment on its hosts, in any order.
        target: The host that is to be the lead.
        reason: Why, in the words of whoever moves it.

    Raises:
        UsageError: When it is the lead already, or nobody can tell which host is.
        Locked: When someone else is running an operation.
    """
    old = _old(fleet)
    if old is target and not _moving(old):
        raise UsageError(f"{target.host.name} is the lead of {target.name} already")
    purpose = f"move the lead to {target.host.name}"
    with lock.held(old.host.files, old.state.lock, purpose) as holder:
        now = lead.read(old)
        if now and not (now.here or now.moving):
            raise Locked(
                f"the lead of {old.name} is {now.host} by now", remedy="run the command again"
            )
        record = _next(now, target)
        others = [site for site in fleet.sites if site not in (old, target)]
        with armed([old, target, *others], holder, record):
            note_takeover(old, holder)
            _hand_over(old, target, others, record, reason)
    return old.host.name


def _hand_over(
    old: HostEnvironment,
    target: HostEnvironment,
    others: Sequence[HostEnvironment],
    record: Record,
    reason: str,
) -> None:
    if old is target:
        # Somebody changed their mind on the way.
        lead.write(old, replace(record, here=True))
        return
    place.claim(target)
    lead.write(old, replace(record, moving=True))
    _copy(old, target)
    _note(target, {"lead": target.host.name, "from": old.host.name, "reason": reason})
    lead.write(target, replace(record, here=True))
    # From here on the target's journal is the one that goes on.
    lead.write(old, record)
    lead.set_aside(old)
    lead.spread([target, *others], record)


def force(fleet: Fleet, target: HostEnvironment, *, reason: str = "") -> list[str]:
    """Make a host the lead although the old one cannot give its journal; returns what is lost.

    Raises:
        UsageError: When the lead is there, and can be moved.
        Locked: When someone else is running an operation.
    """
    found = _found(fleet)
    if found and found is not target:
        raise UsageError(
            f"{found.host.name} is the lead of {target.name}, and it is there",
            remedy=f"`inv hosts.lead --host {target.host.name} --env {target.name}` moves it with "
            "its journal",
        )
    others = [site for site in fleet.sites if site is not target]
    for site in others:
        # Of two hosts that both have a journal, the other one may be running an operation.
        holder = lock.living(site.host.files, site.state.lock)
        if holder:
            raise lock.locked(holder)
    purpose = f"make {target.host.name} the lead"
    with lock.held(target.host.files, target.state.lock, purpose) as holder:
        old = lead.known(fleet.sites)
        number = old.number + 1 if old else 1
        record = Record(target.host.name, old.history if old else uuid.uuid4().hex, number)
        has_journal = target.host.files.exists(target.state.journal)
        with armed([target, *others], holder, record):
            place.claim(target)
            lead.write(target, replace(record, here=True))
            lost = sorted({item.hash for item in anchors(fleet.sites)})
            note_takeover(target, holder)
            said = {
                "lead": target.host.name,
                "forced": True,
                "from": old.host if old else "",
                "reason": reason,
            }
            _note(target, {**said, "replaces": lost})
            # Whoever still works with the old lead finds it out here, and stops.
            for site in others:
                lead.set_aside(site)
                lead.write(site, record)
    return _lost(old, target, has_journal=has_journal)


def _lost(old: Record | None, target: HostEnvironment, *, has_journal: bool) -> list[str]:
    whose = f"{old.host}'s" if old else "the old lead's"
    if has_journal:
        return [f"journal of {target.host.name} goes on; those of other hosts are set aside there"]
    return [
        f"{whose} journal: what was done before, and whether an operation was interrupted",
        f"{whose} hold, if there was one: `inv hold --env {target.name} --reason …` sets it again",
        f"{whose} lock: make sure that nobody is running a deploy of {target.name}",
    ]


def _old(fleet: Fleet) -> HostEnvironment:
    """The host that has the journal, also in the middle of a move."""
    try:
        return lead.find(fleet.sites, [item.host for item in fleet.away])
    except UsageError:
        moving = next((site for site in fleet.sites if _moving(site)), None)
        if moving is None:
            raise
        return moving


def _found(fleet: Fleet) -> HostEnvironment | None:
    try:
        return _old(fleet)
    except UsageError:
        return None


def _moving(site: HostEnvironment) -> bool:
    found = lead.read(site)
    return bool(found and found.moving)


def _next(now: Record | None, target: HostEnvironment) -> Record:
    name = target.host.name
    if now is None:
        return Record(name, uuid.uuid4().hex)
    again = now.moving and now.host == name
    number = now.number if again else now.number + 1
    return Record(name, now.history, number)


def _copy(old: HostEnvironment, target: HostEnvironment) -> None:
    """Bring journal and hold over; what the target has of an earlier time is set aside."""
    source, files = old.host.files, target.files
    lead.set_aside(target)
    folder = source.folder(old.state.root)
    found: dict[str, bytes] = {}
    for name in [*lead.journal_files(old), old.state.hold.name]:
        for path in walk(folder, Path(name)):
            found[str(path)] = folder.read(path)
    for inside, data in found.items():
        files.write(target.state.root / inside, data, 0o600)
    lock.number_above(files, target.state.lock, lock.last_fence(source, old.state.lock))


def _note(site: HostEnvironment, data: dict[str, object]) -> None:
    site.journal.write(uuid.uuid4().hex[:8], "note", "lead", data)
