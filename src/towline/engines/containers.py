"""Acts on single containers: stopped with their grace period, removed, kept from coming back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import APIClient

_GRACE = 10
_NEVER = {"Name": "no", "MaximumRetryCount": 0}


def stop(api: APIClient, container: str) -> None:
    """Stop a container by its own signal, and kill it only after its own grace period."""
    from docker.errors import NotFound

    try:
        grace = api.inspect_container(container)["Config"].get("StopTimeout")
        # The client waits for as long as it is told, and by itself only for a minute or two.
        api.stop(container, timeout=_GRACE if grace is None else grace)
    except NotFound:
        return


def remove(api: APIClient, container: str) -> None:
    """Stop a container, then remove it; its volumes stay."""
    from docker.errors import APIError

    stop(api, container)
    try:
        api.remove_container(container, force=True)
    except APIError as error:
        if error.status_code not in (404, 409):  # gone, or going already
            raise


def retire(api: APIClient, container: str) -> None:
    """Stop a container for good: `restart: always` does not bring it back with the engine."""
    set_policy(api, container, _NEVER)
    stop(api, container)


def set_policy(api: APIClient, container: str, policy: Mapping[str, Any]) -> None:
    """Give a container a restart policy, unless it has it already."""
    from docker.errors import NotFound

    try:
        found = api.inspect_container(container)["HostConfig"]["RestartPolicy"]
        same = (found.get("Name") or "no") == policy["Name"]
        if same and found.get("MaximumRetryCount", 0) == policy["MaximumRetryCount"]:
            return
        api.update_container(container, restart_policy=dict(policy))
    except NotFound:
        return


def policy_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The restart policy that Compose gives a container of a resolved definition."""
    given = str(definition.get("restart") or "")
    if not given:
        declared = (definition.get("deploy") or {}).get("restart_policy") or {}
        name = {"any": "always", "none": "no"}.get(
            declared.get("condition", "no"), declared.get("condition", "no")
        )
        # Compose understands a section without a condition as `any`.
        name = "always" if declared and not declared.get("condition") else name
        count = int(declared.get("max_attempts") or 0)
    else:
        name, _, tries = given.partition(":")
        count = int(tries or 0)
    return {"Name": name, "MaximumRetryCount": count if name == "on-failure" else 0}
