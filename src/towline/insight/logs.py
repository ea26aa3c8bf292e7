"""The logs of a service."""

from collections.abc import Iterator

from towline.environments.host_environment import Away, Fleet, HostEnvironment, observe
from towline.errors import UsageError


def read(site: HostEnvironment, service: str, lines: int) -> Iterator[tuple[str, list[str]]]:
    """Container name and its last lines, the serving slot first; secrets are masked.

    Raises:
        UsageError: When there is no such service.
    """
    seen = observe(site)
    found = seen.state.service(service) if service else seen.state.role("app")
    if not found:
        known = ", ".join(sorted({item.service for item in seen.state.containers})) or "none"
        raise UsageError(
            f"no container of {service or 'an app service'} in {site.name}",
            remedy=f"services with containers: {known}",
        )
    for item in sorted(found, key=lambda item: item.slot not in ("", seen.slot)):
        slot = f" ({item.slot}, {item.version})" if item.slot else ""
        yield item.name + slot, [site.redactor.redact(s) for s in site.engine.logs(item, lines)]


def of_fleet(
    fleet: Fleet, service: str, lines: int
) -> Iterator[tuple[str, list[tuple[str, list[str]]] | str]]:
    """Host name, and what its containers printed, or why it cannot be asked; empty if one is here.

    Raises:
        UsageError: When there is no such service.
    """
    given = fleet.asked(lambda site: list(read(site, service, lines)))
    if all(isinstance(found, Away) for found in given):
        # Such as a service that does not exist: its own error says more.
        list(read(fleet.lead, service, lines))
    for site, found in zip(fleet.sites, given, strict=True):
        name = site.host.name if site.remote else ""
        yield name, f"away: {found.why}" if isinstance(found, Away) else found
    yield from ((item.host, f"away: {item.why}") for item in fleet.away)
