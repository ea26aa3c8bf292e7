"""The one lock of an environment: it lies on the lead, and counts on all hosts.

While it is held, no host is changed without a proof: that the lock is still ours, and that the host
knows no other lead. A lead that its colleagues lost sight of is replaced by force; whoever still
reaches it must find out from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from towline.environments import journal_anchor, lead, place
from towline.environments.host_environment import HostEnvironment
from towline.environments.lead import Record
from towline.environments.notes import note_takeover
from towline.errors import Locked, TowlineError
from towline.state import lock


class LeadMoved(Locked):
    """Another host is the lead now; the lock counts there."""


@contextmanager
def held(
    sites: Sequence[HostEnvironment],
    operation: str,
    *,
    wait: float = 0.0,
    say: Callable[[str], None] = lock.silent,
) -> Iterator[lock.Holder]:
    """Hold the lock of an environment; it is one, whatever hosts somebody's list names.

    Args:
        sites: The environment on its hosts, the lead first.
        operation: What it is for, for others to read.
        wait: Seconds to wait for another holder to end.
        say: Told whom it waits for.

    Raises:
        Locked: When someone else holds it for longer than that, or makes another host the lead.
    """
    first = sites[0]
    for site in sites:
        place.claim(site)
    known = lead.claim(sites)
    with lock.held(first.host.files, first.state.lock, operation, wait=wait, say=say) as holder:
        now = _still_lead(first, is_known=known is not None)
        try:
            with armed(sites, holder, now):
                first.fence.prove_everywhere()
                if now:
                    lead.spread(sites, now)
                note_takeover(first, holder, say=say)
                yield holder
        finally:
            # Under the lock, and only by whoever can prove that it is still held.
            with suppress(OSError, TowlineError):
                if first.fence.is_lost:
                    raise lock.Fenced("what was written here is nobody's journal any more")
                lock.check(first.host.files, first.state.lock, holder, limit=0.0)
                journal_anchor.leave(sites, first.journal, partial(_refuse_moved, now))


@contextmanager
def secured(
    site: HostEnvironment,
    operation: str,
    *,
    wait: float = 0.0,
    say: Callable[[str], None] = lock.silent,
    instead_of: lock.Holder | None = None,
) -> Iterator[lock.Holder]:
    """Hold the lock to change a file of the lead; asks no engine, and lets nobody know a lead.

    Args:
        site: The environment on its lead.
        operation: What it is for, for others to read.
        wait: Seconds to wait for another holder to end.
        say: Told whom it waits for.
        instead_of: Whose lock it is to be taken from by force, stale or not.

    Raises:
        Locked: When someone else holds it for longer than that.
        LeadMoved: When another host is the lead now.
    """
    files, path = site.host.files, site.state.lock
    if instead_of:
        # Before anything is taken from its holder.
        _still_lead(site, is_known=False)
    with (
        lock.held(files, path, operation, wait=wait, say=say, instead_of=instead_of) as holder,
        armed([site], holder, _still_lead(site, is_known=False)),
    ):
        if instead_of is None:
            note_takeover(site, holder, say=say)
        yield holder


@contextmanager
def armed(
    sites: Sequence[HostEnvironment], holder: lock.Holder, record: Record | None
) -> Iterator[None]:
    """Let each act on these hosts prove first that it may be done, while the body runs.

    Args:
        sites: The environment on its hosts; the lock lies on the first.
        holder: Who holds it.
        record: The lead, as it is known or is to be; None where there is only this machine.
    """
    first = sites[0]
    files, path, limit = first.host.files, first.state.lock, first.rollout.reconnect

    def check() -> None:
        lock.check(files, path, holder, limit=limit)

    hosts = {site.host.name: partial(_refuse_moved, record, site) for site in sites}
    with ExitStack() as stack:
        for fence in {id(site.fence): site.fence for site in sites}.values():
            stack.enter_context(fence.armed(check, hosts if record else None))
        yield


def _still_lead(site: HostEnvironment, *, is_known: bool) -> Record | None:
    now = lead.read(site) if site.remote else None
    if (now is None and is_known) or (now and not now.here):
        raise LeadMoved(
            f"the lead of {site.name} moved to {now.host if now else 'another host'}",
            remedy="run the command again",
        )
    return now


def _refuse_moved(record: Record | None, site: HostEnvironment) -> None:
    newer = lead.replacing(site, record) if record else None
    if newer:
        raise lock.Fenced(
            f"{newer.host} was made the lead of {site.name} meanwhile, as {site.host.name} says; "
            "nothing more was done",
            remedy=f"look at `inv status --env {site.name}`, and run the command again",
        )
