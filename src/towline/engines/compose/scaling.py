"""How many containers a service has in a slot: which are too many, and what Compose is told."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from towline.config.services import Role
from towline.engines.observed import Container
from towline.state.releases import Release


def wanted_counts(
    release: Release, model: Mapping[str, Any], replicas: Mapping[str, int]
) -> dict[str, int]:
    """How many containers services are to have.

    A worker whose number nobody chose has as many as its Compose file says.
    """
    return {
        name: declared(model, name) if count and _is_unchosen(release, name) else count
        for name, count in replicas.items()
    }


def declared(model: Mapping[str, Any], service: str) -> int:
    """How many containers of a service its rendered file asks for."""
    definition = model["services"][service]
    given = (definition.get("deploy") or {}).get("replicas", definition.get("scale"))
    return 1 if given is None else int(given)


def scale_options(
    model: Mapping[str, Any], counts: Mapping[str, int], *, is_there: bool
) -> list[str]:
    """What tells Compose how many containers services get.

    Args:
        model: Their rendered file.
        counts: Service -> containers.
        is_there: Whether some of them exist already; those stay as they are.
    """
    differing = {name: count for name, count in counts.items() if count != declared(model, name)}
    scales = [word for name in sorted(differing) for word in ("--scale", f"{name}={counts[name]}")]
    return [*(["--no-recreate"] if is_there else []), *scales]


def surplus(found: Iterable[Container], counts: Mapping[str, int]) -> Iterator[Container]:
    """The containers that are too many: those that do not run first, then the newest."""
    items = list(found)
    for name, count in counts.items():
        own = [item for item in items if item.service == name]
        yield from sorted(own, key=lambda item: (not item.running, _number(item)))[count:]


def _number(item: Container) -> int:
    """The number that Compose gives each container of a service, at the end of its name."""
    found = re.search(r"(\d+)$", item.name)
    return int(found[1]) if found else 0


def _is_unchosen(release: Release, service: str) -> bool:
    settings = release.settings(service)
    return settings.role is Role.WORKER and settings.replicas is None
