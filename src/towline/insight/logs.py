"""The logs of a service."""

from collections.abc import Iterator

from towline.errors import UsageError
from towline.rollout.site import Site, observe


def read(site: Site, service: str, lines: int) -> Iterator[tuple[str, list[str]]]:
    """Container name and its last lines, the serving slot first; secrets are masked.

    Raises:
        UsageError: When there is no such service.
    """
    seen = observe(site)
    found = seen.world.service(service) if service else seen.world.role("app")
    if not found:
        known = ", ".join(sorted({item.service for item in seen.world.containers})) or "none"
        raise UsageError(
            f"no container of {service or 'an app service'} in {site.name}",
            remedy=f"services with containers: {known}",
        )
    for item in sorted(found, key=lambda item: item.colour not in ("", seen.colour)):
        slot = f" ({item.colour}, {item.version})" if item.colour else ""
        yield item.name + slot, [site.redactor.redact(s) for s in site.engine.logs(item, lines)]
