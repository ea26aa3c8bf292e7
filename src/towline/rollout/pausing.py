"""A deploy that pauses between two stages: it ends without an end, until a person decides.

Nothing waits meanwhile: no process, no lock. What the journal says is all that there is, so that a
pause outlives the laptop that it began on.
"""

from collections.abc import Mapping
from typing import Any

from towline.environments.fence import if_possible
from towline.rollout.host_rollout import HostRollout
from towline.rollout.stages import Stage
from towline.state import pause_request
from towline.state.pause_request import PauseRequest


def pause_after(name: str, part: HostRollout, lead: HostRollout, operation: str) -> Stage | None:
    """Pause where the strategy says so, or somebody asked for it.

    Args:
        name: The step that was passed.
        part: A host that passed it.
        lead: The host that has the journal.
        operation: The deploy's identifier there.

    Returns:
        The stage at which it pauses from now on; None where it goes on.
    """
    step = part.step(name)
    if part.plan.kind != "deploy" or step is None or step.stage is None:
        return None
    stage, site = step.stage, lead.site
    if not stage.can_pause:
        return None
    asked = pause_request.read(site.host.files, site.state, operation)
    if not stage.pauses and asked is None:
        return None
    data: dict[str, object] = {"share": stage.share, **(_asked(asked) if asked else {})}
    site.journal.write(operation, "pause", name, data)
    forget_requests(lead)
    return stage


def describe(stage: Stage | None) -> str:
    """Where a deploy is paused, in words; empty where it is not."""
    return f"at {stage.share} % of traffic, after step {stage.name}" if stage else ""


def forget_requests(lead: HostRollout) -> None:
    """Take away what was asked: it was answered, or came too late."""
    with if_possible():
        pause_request.remove(lead.site.files, lead.site.state)


def _asked(request: PauseRequest) -> Mapping[str, Any]:
    return {"actor": request.actor.data(), "reason": request.reason}
