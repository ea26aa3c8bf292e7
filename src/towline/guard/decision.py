"""What to do about a trigger that fired: a pure function of it and of the situation.

The guard acts where a rollback helps, and where it is safe. In all other cases people are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from towline.config.guard_section import Guard, OnTrigger
from towline.config.units import format_duration
from towline.guard.record import Action
from towline.guard.situation import Situation
from towline.guard.trigger import Trigger


@dataclass(frozen=True)
class Decision:
    """What is done.

    Attributes:
        action: What; None for nothing yet, since somebody is running an operation.
        why: Why not what is configured; empty when it is that.
    """

    action: Action | None
    why: str = ""


def decide(trigger: Trigger, situation: Situation, settings: Guard) -> Decision:
    """Decide about a trigger that fired.

    Args:
        trigger: It.
        situation: How the environment stands.
        settings: The guard's.
    """
    if situation.holder:
        return Decision(None, situation.holder)
    wanted: OnTrigger = trigger.on_trigger or settings.on_trigger
    if wanted != "rollback":
        return Decision(Action(wanted))
    for action, why in _obstacles(trigger, situation, settings):
        return Decision(action, why)
    return Decision(Action.ROLLBACK)


def _obstacles(
    trigger: Trigger, situation: Situation, settings: Guard
) -> Iterator[tuple[Action, str]]:
    """Why the guard does not roll back; the first one counts."""
    if situation.unfinished:
        yield (
            Action.NOTIFY,
            f"{situation.unfinished} is not finished: resume it or abort it first",
        )
    if situation.backing or not trigger.blames_release:
        fault = f" ({situation.backing[0]})" if situation.backing else ""
        yield Action.NOTIFY, f"a backing service fails{fault}, which no other release would cure"
    if not situation.target:
        yield Action.NOTIFY, situation.no_target or "there is no release to roll back to"
    if situation.live_for is None:
        yield Action.NOTIFY, f"the journal does not tell since when {situation.release} is live"
    elif situation.live_for > settings.window:
        took, limit = format_duration(situation.live_for), format_duration(settings.window)
        yield (
            Action.NOTIFY,
            (
                f"{situation.release} has been live for {took}, longer than guard.window "
                f"({limit}): it is hardly the cause"
            ),
        )
    if situation.was_rolled_back:
        yield (
            Action.NOTIFY,
            f"{situation.release} was rolled back by the guard before, and deployed again",
        )
    if situation.rollbacks >= settings.max_rollbacks:
        yield (
            Action.HOLD,
            (
                f"the guard rolled back {situation.rollbacks} times within "
                f"{format_duration(settings.window)} (guard.max_rollbacks): a person is needed"
            ),
        )
    if situation.schema:
        yield Action.HOLD, f"{situation.schema}: a person has to decide on the rollback"
    if situation.interruptions:
        yield (
            Action.HOLD,
            (
                f"a rollback {'; '.join(situation.interruptions)}, and the environment has "
                "`confirm: true`: a person has to agree"
            ),
        )
