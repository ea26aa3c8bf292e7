"""Acts on single containers: stopped with their grace period, removed, kept from coming back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from towline.errors import EngineRefused, NoSuchObject

if TYPE_CHECKING:
    from docker import APIClient

_GRACE = 10
_NEVER = {"Name": "no", "MaximumRetryCount": 0}


def now(api: APIClient) -> float:
    """Unix time by the engine's clock, by which it stamps logs and events."""
    return unix_time(str(api.info()["SystemTime"]))


def unix_time(said: str) -> float:
    """A time in the engine's words as Unix time."""
    return datetime.fromisoformat(said).timestamp()


def stop(api: APIClient, container: str) -> None:
    """Stop a container by its own signal, and kill it only after its own grace period."""
    try:
        grace = api.inspect_container(container)["Config"].get("StopTimeout")
        # The client waits for as long as it is told, and by itself only for a minute or two.
        api.stop(container, timeout=_GRACE if grace is None else grace)
    except NoSuchObject:
        return


def restart(api: APIClient, container: str, grace: int | None = None) -> None:
    """Stop and start a container, which gives it its restart policy back.

    Args:
        api: The engine's client.
        container: Its id.
        grace: Seconds it may take to stop; its own grace period where it has one.
    """
    own = api.inspect_container(container)["Config"].get("StopTimeout")
    seconds = next(item for item in (own, grace, _GRACE) if item is not None)
    # Restarted with no time at all, engines of 20.10 start a container that takes no `exec`.
    api.restart(container, timeout=max(1, seconds))


def remove(api: APIClient, container: str) -> None:
    """Stop a container, then remove it; its volumes stay."""
    stop(api, container)
    try:
        api.remove_container(container, force=True)
    except EngineRefused as error:
        if error.status not in (404, 409):  # gone, or going already
            raise


def last_exit(api: APIClient, container: str, state: Mapping[str, Any]) -> int:
    """The exit code with which a container last ended; of one that runs again, 0 is told.

    Args:
        api: Its engine.
        container: Its id.
        state: Its state, as the engine inspects it.
    """
    if not state.get("Running") or state.get("Restarting"):
        return int(state["ExitCode"])
    # By the engine's own clock: it tells the second in which the container ended.
    ended = int(datetime.fromisoformat(f"{state['FinishedAt'][:19]}+00:00").timestamp())
    filters = {"container": container, "event": "die"}
    told = list(api.events(since=ended - 1, until=ended + 1, filters=filters, decode=True))
    codes = [int(event["Actor"]["Attributes"]["exitCode"]) for event in told]
    return codes[-1] if codes else int(state["ExitCode"])


def retire(api: APIClient, container: str) -> None:
    """Stop a container for good: `restart: always` does not bring it back with the engine."""
    set_policy(api, container, _NEVER)
    stop(api, container)


def set_policy(api: APIClient, container: str, policy: Mapping[str, Any]) -> None:
    """Give a container a restart policy, unless it has it already."""
    try:
        found = api.inspect_container(container)["HostConfig"]["RestartPolicy"]
        same = (found.get("Name") or "no") == policy["Name"]
        if same and found.get("MaximumRetryCount", 0) == policy["MaximumRetryCount"]:
            return
        api.update_container(container, restart_policy=dict(policy))
    except NoSuchObject:
        return


def policy_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The restart policy that Compose gives a container of a resolved definition."""
    name, _, count = str(definition.get("restart") or "").partition(":")
    if not name:
        declared = (definition.get("deploy") or {}).get("restart_policy")
        # Compose understands a section without a condition as `any`.
        condition = "none" if declared is None else declared.get("condition", "any")
        name = {"any": "always", "none": "no"}.get(condition, condition)
        count = str((declared or {}).get("max_attempts") or "")
    return {"Name": name, "MaximumRetryCount": int(count or 0) if name == "on-failure" else 0}
