"""Has a host the memory and the CPUs for what will run on it at the same time?

What a service reserves must be there; what its limits add up to is only worth a warning, since
limits are promised to nobody. What other projects on the host take is not known here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from towline.config.units import format_size, parse_size
from towline.findings import Finding, Severity

_REMEDY = "lower them in the Compose file, take a larger host, or let less run at once: "
_LESS = "`rollout.strategy: rolling` needs no second set of containers"


@dataclass(frozen=True)
class _Kind:
    """A kind of resource: what people call it, and the two ways in which Compose files say it."""

    name: str
    key: str
    limit: str
    reservation: str


_KINDS = (
    _Kind("memory", "memory", "mem_limit", "mem_reservation"),
    _Kind("CPUs", "cpus", "cpus", ""),
)


def check_room(
    services: Mapping[str, Mapping[str, Any]], peak: Mapping[str, int], has: Mapping[str, float]
) -> Iterator[Finding]:
    """Whether what runs at the same time fits.

    Args:
        services: Service -> its resolved definition.
        peak: Service -> containers of it, at the moment when the most run.
        has: `memory`, in bytes, and `cpus` of the host.
    """
    for kind in _KINDS:
        found = list(_kind(kind, services, peak, has[kind.key]))
        yield from found
        if not found and (limited := _sum(kind, services, peak, "limits")):
            message = f"{_told(kind, limited)} at most for what runs at once"
            yield Finding("room", Severity.OK, f"{message}, of {_told(kind, has[kind.key])}")


def _kind(
    kind: _Kind,
    services: Mapping[str, Mapping[str, Any]],
    peak: Mapping[str, int],
    has: float,
) -> Iterator[Finding]:
    ways = {"reservations": Severity.ERROR, "limits": Severity.WARNING}
    for way, severity in ways.items():
        wanted = _sum(kind, services, peak, way)
        if wanted <= has:
            continue
        named = [
            f"{name}: {peak[name]} x {_told(kind, one)}"
            for name, definition in services.items()
            if peak.get(name) and (one := _one(kind, definition, way))
        ]
        yield Finding(
            "room",
            severity,
            f"{way} of {_told(kind, wanted)} for what runs at once while releases change, and the "
            f"host has {_told(kind, has)}",
            _REMEDY + _LESS,
            tuple(named),
        )
        return


def _sum(
    kind: _Kind, services: Mapping[str, Mapping[str, Any]], peak: Mapping[str, int], way: str
) -> float:
    return sum(peak.get(name, 0) * _one(kind, item, way) for name, item in services.items())


def _one(kind: _Kind, definition: Mapping[str, Any], way: str) -> float:
    """What one container of a service is given; nothing where the file does not say."""
    resources = (definition.get("deploy") or {}).get("resources") or {}
    said = (resources.get(way) or {}).get(kind.key)
    own = kind.limit if way == "limits" else kind.reservation
    said = definition.get(own) if said is None and own else said
    if not said:
        return 0.0
    return float(parse_size(said)) if kind.key == "memory" else float(said)


def _told(kind: _Kind, amount: float) -> str:
    return format_size(int(amount)) if kind.key == "memory" else f"{amount:g} {kind.name}"
