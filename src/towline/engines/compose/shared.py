"""Networks and volumes: three Compose projects of an environment use them, none of them owns them.

They are made before anything that needs them, and carry our labels; only what carries these is
ever removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from towline.engines.compose.names import SHARED
from towline.engines.compose.ownership import Owner, refuse_foreign
from towline.errors import EngineRefused

if TYPE_CHECKING:
    from docker import APIClient

Kind = Literal["networks", "volumes"]


def create(api: APIClient, owner: Owner, model: Mapping[str, Any]) -> None:
    """Make what a rendered Compose file needs and the engine lacks.

    Raises:
        CheckFailed: When others have something under one of its names.
    """
    refuse_foreign(api, owner, model)
    wanted = model.get(SHARED) or {}
    there = {item["Name"] for item in api.networks()} if wanted.get("networks") else set()
    for name, options in (wanted.get("networks") or {}).items():
        if name not in there:
            made = {**(options.get("labels") or {}), **owner.labels}
            api.create_network(name, **_network_options(options), labels=made)
    there = set(_volumes(api, {})) if wanted.get("volumes") else set()
    for name, options in (wanted.get("volumes") or {}).items():
        if name not in there:
            made = {**(options.get("labels") or {}), **owner.labels}
            driver, own = options.get("driver"), options.get("driver_opts")
            api.create_volume(name, driver=driver, driver_opts=own, labels=made)


def ours(api: APIClient, owner: Owner, kind: Kind) -> list[str]:
    """Names of the networks or volumes that Towline made for an environment."""
    if kind == "networks":
        return sorted(item["Name"] for item in api.networks(filters=owner.filters))
    return _volumes(api, owner.filters)


def remove(api: APIClient, owner: Owner, kind: Kind) -> list[str]:
    """Remove them; returns those that somebody else still uses, and why, a line each."""
    left = []
    for name in ours(api, owner, kind):
        try:
            if kind == "networks":
                api.remove_network(name)
            else:
                api.remove_volume(name)
        except EngineRefused as error:
            if error.status == 404:
                continue
            if error.status not in (403, 409):
                raise
            left.append(f"{kind.removesuffix('s')} {name} is left: {error.explanation}")
    return left


def _volumes(api: APIClient, filters: Mapping[str, Any]) -> list[str]:
    return sorted(item["Name"] for item in api.volumes(filters=filters)["Volumes"] or [])


def _network_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """A network of a Compose file in the words of the engine."""
    from docker.types import IPAMConfig, IPAMPool

    ipam = options.get("ipam") or {}
    pools = [
        IPAMPool(
            subnet=pool.get("subnet"), gateway=pool.get("gateway"), iprange=pool.get("ip_range")
        )
        for pool in ipam.get("config") or []
    ]
    return {
        "driver": options.get("driver") or "bridge",
        "options": options.get("driver_opts"),
        "internal": bool(options.get("internal")),
        "attachable": bool(options.get("attachable")),
        "enable_ipv6": bool(options.get("enable_ipv6")),
        "ipam": IPAMConfig(driver=ipam.get("driver") or "default", pool_configs=pools)
        if ipam
        else None,
    }
