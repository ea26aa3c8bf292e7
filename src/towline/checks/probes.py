"""Can the probes and smoke tests be asked at all?"""

from collections.abc import Iterator

from towline.config.deploy_sections import Smoke
from towline.config.services import Role, Service
from towline.engines.bundle import Bundle
from towline.findings import Finding, Severity

CHECK = "services"


def check_probes(bundle: Bundle, smoke: Smoke) -> Iterator[Finding]:
    """Probes without a port, and smoke tests of services that are none.

    Args:
        bundle: The services.
        smoke: The environment's smoke tests.
    """
    for name, service in bundle.services.items():
        if _lacks_port(service):
            yield Finding(
                CHECK,
                Severity.ERROR,
                f"{name} has a health probe but no port to ask",
                "add `port: NUMBER` to its x-towline section, or to the probe",
            )
    apps = bundle.named(Role.APP)
    named = [test.service for test in smoke.requests]
    named += [test.service for test in smoke.websockets]
    for name in dict.fromkeys(named):
        if name and name not in apps:
            yield Finding(
                CHECK,
                Severity.ERROR,
                f"a smoke test names service {name}, which is no app service",
                f"name one of: {', '.join(apps) or 'there is none'}",
            )


def _lacks_port(service: Service) -> bool:
    probe = service.health
    if probe is None or service.role is Role.JOB:
        return False
    # A kind without such a setting is not asked at a port.
    return getattr(probe, "port", 0) is None and service.port is None
