"""What the pre-deploy check finds of Compose files and Docker hosts."""

from collections.abc import Collection

from towline.config.compose_files import SLOT
from towline.engines.bundle import PERSISTENT
from towline.engines.compose.check_host import check_disk, check_engine, check_ports, check_reach
from towline.engines.compose.check_mounted import check_mounted
from towline.engines.compose.check_router import check_router
from towline.engines.compose.check_secrets import check_build_secrets
from towline.engines.compose.check_services import check_services
from towline.engines.compose.compose_file import ComposeFile
from towline.engines.observed import ObservedState
from towline.findings import Finding, Severity
from towline.hosts.base import Folder, Host
from towline.state.releases import StateFolder


def inspect_file(file: ComposeFile, secrets: Collection[str]) -> list[Finding]:
    """What is wrong with a Compose file."""
    old = [Finding("variables", Severity.WARNING, text, f"write {SLOT}") for text in file.old_names]
    return [*check_services(file, file.tree), *check_build_secrets(file, secrets), *old]


def inspect_host(host: Host, state: StateFolder, disk_free: int) -> list[Finding]:
    """Whether a host can run anything, and mounts what was placed there."""
    return [
        *check_engine(host),
        *check_reach(host),
        *check_mounted(host.files, state),
        *check_disk(host, state.root, disk_free),
    ]


def inspect_ports(host: Host, file: ComposeFile, observed: ObservedState) -> list[Finding]:
    """Whether persistent services get their ports."""
    services = {name: file.definition(name) for name in file.named(*PERSISTENT)}
    return list(check_ports(host, {"services": services}, observed))


def inspect_router(
    host: Host, file: ComposeFile, state: StateFolder, configuration: Folder
) -> list[Finding] | None:
    """What the router's own program says; None where the host has no image of it."""
    return check_router(host, file, state.routes, configuration)
