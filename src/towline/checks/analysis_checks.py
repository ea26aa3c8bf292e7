"""Whether analysis can be asked: its checks have sources, and the router logs what it sends."""

from collections.abc import Iterator

from towline.analysis.checks import resolve
from towline.config.analysis_section import Analysis
from towline.config.services import Role
from towline.engines.bundle import Bundle
from towline.errors import UsageError
from towline.findings import Finding, Severity
from towline.routing.access_logs import find_unlogged

CHECK = "analysis"


def check_analysis(section: Analysis, bundle: Bundle) -> Iterator[Finding]:
    """What keeps analysis from its figures.

    Args:
        section: The settings of the environment.
        bundle: What is deployed there.
    """
    try:
        checks = resolve(section)
    except UsageError as error:
        yield Finding(CHECK, Severity.ERROR, error.message, error.remedy)
        return
    needy = [item.name for item in checks if item.source == "router"]
    if needy and bundle.router is None:
        yield Finding(
            CHECK,
            Severity.ERROR,
            f"`analysis.checks.{needy[0]}` needs the router's request log, and no service of the "
            "Compose file is the router",
            f"give nginx `x-towline: {{role: {Role.ROUTER}}}`, or use another source",
        )
        return
    if section.keeps_request_log:
        yield from _unlogged(bundle)


def _unlogged(bundle: Bundle) -> Iterator[Finding]:
    for mount in bundle.mounts.get(bundle.router or "", ()):
        source = mount.source
        if not source.is_relative_to(bundle.tree):
            continue
        files = [source] if source.is_file() else sorted(source.rglob("*.conf"))
        for file in files:
            if file.suffix != ".conf" or not file.is_file():
                continue
            for line in find_unlogged(file.read_text("utf-8", "replace")):
                yield Finding(
                    CHECK,
                    Severity.WARNING,
                    f"{file}:{line}: this `access_log` keeps requests to apps out of the request "
                    "log, and analysis does not see them",
                    "add `include /etc/nginx/towline/*.inc;` to that server or location",
                )
