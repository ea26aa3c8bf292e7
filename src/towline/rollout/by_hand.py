"""What people do to a deploy in steps: let it go on, ask it to pause, undo it."""

from dataclasses import replace

from towline.engines.observed import SLOTS
from towline.environments.host_environment import Fleet, HostEnvironment, observe
from towline.errors import TowlineError, UsageError
from towline.rollout import interrupted
from towline.state import lock, pause_request
from towline.state.journal import Unfinished, unfinished


def let_pass(fleet: Fleet, *, full: bool, reason: str) -> Unfinished:
    """The paused deploy, as it goes on once a person let it.

    Args:
        fleet: The environment on all its hosts.
        full: To all traffic at once, without the steps in between.
        reason: Why, for the journal.

    Raises:
        UsageError: When nothing is paused.
        Locked: When somebody is running an operation.
    """
    name = fleet.lead.name
    left = interrupted.of_journal(fleet.lead.journal.newest())
    if left is None:
        raise UsageError(
            f"nothing is paused in {name}", remedy=f"`inv status --env {name}` shows what serves"
        )
    left = interrupted.require(fleet)
    if left.pause is None:
        raise UsageError(
            f"{left.kind} {left.release} was interrupted, and is not paused",
            remedy=f"`inv deploy.resume --env {name}` goes on with it, `inv deploy.abort --env "
            f"{name}` rolls back",
        )
    return replace(left, passed=left.pause.step, full=full, reason=reason)


def ask_to_pause(site: HostEnvironment, reason: str) -> str:
    """Ask the deploy that is running to pause after its current step; returns its release.

    Args:
        site: The environment on its lead; no other host has to answer for that.
        reason: Why, in the words of a person.

    Raises:
        UsageError: When none is running.
    """
    left = unfinished(site.journal.newest())
    holder = lock.living(site.host.files, site.state.lock)
    if left is None or holder is None or left.kind != "deploy" or left.pause:
        running = f"{left.kind} {left.release} is running" if left and holder else "none is running"
        said = "it is paused already" if left and left.pause else running
        raise UsageError(
            f"there is no deploy to pause in {site.name}: {said}",
            remedy=f"`inv status --env {site.name}` shows what is going on",
        )
    pause_request.put(site.host.files, site.state, left.operation, reason)
    return left.release


def find_left(fleet: Fleet, *, force: bool) -> Unfinished | None:
    """What was interrupted or is paused; None where there is none, or it runs.

    Args:
        fleet: The environment on all its hosts.
        force: Whether a journal that nobody can read is left alone.

    Raises:
        TowlineError: When nobody can read the journal.
    """
    try:
        return interrupted.found(fleet)
    except TowlineError:
        if force:
            return None
        raise


def undo(fleet: Fleet, left: Unfinished | None, version: str, *, force: bool) -> Unfinished | None:
    """What a rollback has to undo while two releases share the traffic; None where one has it all.

    Args:
        fleet: The environment on all its hosts.
        left: What was interrupted or is paused.
        version: The release that is asked for; the one before when empty.
        force: Whether a way back that was killed does not stop another one.

    Raises:
        UsageError: When another release than the one before is asked for.
        CheckFailed: When a rollback or an abort is to be ended first.
    """
    if left is None or not left.before:
        return None
    if left.kind == "abort":
        return _undo_again(fleet, left, version, force=force)
    if not left.pause and not any(fleet.each(lambda site: _is_shared(site, left))):
        return None
    if left.kind == "rollback":
        # It is at work on what was asked for; undoing it would bring back what was rolled back.
        raise interrupted.unended(fleet.lead, left)
    if version and version != left.before:
        raise _other_asked_for(fleet, left, version)
    return left


def _undo_again(fleet: Fleet, left: Unfinished, version: str, *, force: bool) -> Unfinished | None:
    """A way back that was killed may have moved all traffic: one more step would be too far."""
    if force and (not left.hold or version not in ("", left.before)):
        return None
    if not left.hold:
        raise interrupted.unended(fleet.lead, left)
    if version and version != left.before:
        raise _other_asked_for(fleet, left, version)
    return left


def _other_asked_for(fleet: Fleet, left: Unfinished, version: str) -> UsageError:
    shares = "did not end, and shares the traffic with"
    said = f"deploy {left.release} {shares} {left.before}"
    if left.kind == "abort":
        said = f"the way back from {left.release} to {left.before} did not end"
    return UsageError(
        said,
        remedy=f"`inv deploy.abort --env {fleet.lead.name}` first, then roll back to {version}",
    )


def _is_shared(site: HostEnvironment, left: Unfinished) -> bool:
    seen = observe(site)
    slot = next((c for c in SLOTS if seen.state.release_of(c) == left.release), "")
    return 0 < seen.routes.share(slot) < 100
