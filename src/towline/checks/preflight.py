"""The pre-deploy check: all findings at once, each with its remedy."""

from collections.abc import Iterator
from dataclasses import replace

from towline.checks.analysis_checks import check_analysis
from towline.checks.exposure import check_plain_secrets
from towline.checks.host_file_checks import (
    check_certificates,
    check_host_files,
    local_certificates,
)
from towline.checks.network import check_name
from towline.checks.probes import check_probes
from towline.checks.variables import check_variables
from towline.config.envfile import differences, read_env
from towline.config.environments import default_env_file, env_file, example_file
from towline.config.secrets import missing_or_placeholder
from towline.engines.bundle import Bundle
from towline.environments.host_environment import Fleet, HostEnvironment, observe
from towline.errors import CheckFailed, TowlineError, UsageError
from towline.findings import Finding, Severity, errors, group
from towline.rollout import operations
from towline.rollout.deploy_inputs import read_manifest
from towline.rollout.planner import require_router, require_uptime
from towline.rollout.room import peak_of
from towline.state.releases import Release


def examine(fleet: Fleet, *, planned: bool = False) -> list[Finding]:
    """Every finding on an environment; changes nothing.

    Args:
        fleet: The environment on its hosts.
        planned: Whether there is a plan already, which tells what restarts.

    Raises:
        UsageError: When no engine answers, as most checks could not be made.
    """
    site = fleet.lead
    fleet.each(lambda site: site.engine.ping())
    found: list[Finding] = [*_release(site), *_variables(site)]
    bundle = None
    try:
        bundle = site.describe("0.0.0", "")
    except UsageError as error:
        found.append(Finding("compose-file", Severity.ERROR, error.message, error.remedy))
    else:
        found.append(Finding("compose-file", Severity.OK, f"{_compose_files(site)} valid"))
        found += [*_described(site, bundle), *local_certificates(site, bundle)]
    for findings in fleet.each(lambda site: _host(site, bundle)):
        found += findings
    found += check_name(site.environment.url)
    found += [
        Finding(
            "hosts", Severity.WARNING, f"{item.host} was not checked: {item.why}",
            f"`inv deploy --env {site.name}` brings it to the same release later",
        )
        for item in fleet.away
    ]  # fmt: skip
    found += [] if planned else _restarts(fleet)
    order = (Severity.ERROR, Severity.WARNING, Severity.OK)
    found.sort(key=lambda finding: order.index(finding.severity))
    return [_relative(finding, f"{site.project.root}/") for finding in found]


def require(fleet: Fleet) -> list[Finding]:
    """The warnings of the check for a deploy that is planned already.

    Raises:
        CheckFailed: When the check found an error.
    """
    found = examine(fleet, planned=True)
    stop_on_errors(found)
    return [finding for finding in found if finding.severity is Severity.WARNING]


def stop_on_errors(
    findings: list[Finding],
    *,
    check: str = "pre-deploy check",
    command: str = "inv pre-deploy-check",
    shown: bool = False,
) -> None:
    """Raise CheckFailed when there is an error.

    Args:
        findings: What the check found.
        check: What it is called.
        command: What runs it alone.
        shown: The findings were printed already, each with its remedy.
    """
    wrong = errors(findings)
    if not wrong:
        return
    noun = "error" if len(group(wrong)) == 1 else "errors"
    message = f"the {check} found {len(group(wrong))} {noun}; nothing was changed"
    if shown:
        raise CheckFailed(message, remedy=f"fix what is listed above, then `{command}` again")
    details = [
        line
        for item in group(wrong)
        for line in (
            f"{item.finding.check}: {item.message}",
            *(f"    {detail}" for detail in item.finding.details),
            f"    -> {item.finding.remedy}",
        )
    ]
    raise CheckFailed(
        message, details=details, remedy=f"fix them; `{command}` runs the check alone"
    )


def _compose_files(site: HostEnvironment) -> str:
    files = site.project.compose_files(site.name)
    return f"{', '.join(map(str, files))} {'is' if len(files) == 1 else 'are'}"


def _relative(finding: Finding, root: str) -> Finding:
    """The finding with the paths of the project as people in it know them."""
    return replace(
        finding,
        message=finding.message.replace(root, ""),
        remedy=finding.remedy.replace(root, ""),
        details=tuple(line.replace(root, "") for line in finding.details),
    )


def _release(site: HostEnvironment) -> Iterator[Finding]:
    try:
        manifest = read_manifest(site)
    except TowlineError as error:
        details = tuple(error.details)
        yield Finding("release", Severity.ERROR, error.message, error.remedy, details)
    else:
        yield Finding("release", Severity.OK, f"{manifest.version} is promoted and unchanged")


def _variables(site: HostEnvironment) -> Iterator[Finding]:
    path = env_file(site.project, site.name)
    example = example_file(site.project, site.name)
    wrong = list(differences(path)) if path else []
    if example.is_file():
        target = str(default_env_file(site.project, site.name))
        names = site.environment.secrets
        wrong += missing_or_placeholder(site.values, read_env(example, {}), target, names)
    yield from wrong
    if not errors(wrong):
        where = path or "the process environment"
        yield Finding("secrets", Severity.OK, f"{len(site.values)} variables from {where}")


def _described(site: HostEnvironment, bundle: Bundle) -> Iterator[Finding]:
    secrets = site.environment.secrets
    yield from site.engine.inspect(bundle, secrets)
    yield from check_variables(bundle, str(example_file(site.project, site.name)))
    yield from check_plain_secrets(site.values, secrets)
    yield from check_probes(bundle, site.environment.smoke)
    try:
        require_router(site.rollout, bundle.router is not None)
    except UsageError as error:
        yield Finding("services", Severity.ERROR, error.message, error.remedy)
    yield from _router(site, bundle)
    yield from check_analysis(site.environment.analysis, bundle)


def _router(site: HostEnvironment, bundle: Bundle) -> list[Finding]:
    """What the router says of its configuration, on the first machine that can tell."""
    for engine in (site.engine, site.builder):
        found = engine.inspect_router(bundle, site.engine.configuration)
        if found is not None:
            return found
    name = bundle.router or ""
    image = bundle.images[name]
    said = f"{name}'s configuration is tested by the deploy: {image} is not there yet"
    return [Finding("router", Severity.OK, said)]


def _host(site: HostEnvironment, bundle: Bundle | None) -> list[Finding]:
    """What is to be said of one host; it is named where it is another machine."""
    found = site.engine.inspect_host(site.environment.checks.disk_free)
    if bundle is not None:
        found += site.engine.inspect_claims(site.draft(bundle, "check", "0.0.0", "", {}))
        live = observe(site).live
        found += check_host_files(site, bundle, live)
        found += _room(site, bundle, live)
        found += check_certificates(site, bundle)
    if not site.remote:
        return found
    return [replace(item, host=site.host.name) for item in found]


def _room(site: HostEnvironment, bundle: Bundle, live: Release | None) -> list[Finding]:
    """Whether what runs at the same time fits, and nobody is without service for too long."""
    try:
        require_uptime(site.rollout, live)
        return site.engine.inspect_room(bundle, peak_of(site, bundle, live))
    except UsageError as error:
        return [Finding("strategy", Severity.ERROR, error.message, error.remedy)]


def _restarts(fleet: Fleet) -> list[Finding]:
    """What a deploy of the promoted release would restart; nothing when there is none."""
    try:
        felt = operations.deploy(fleet).interruptions
    except TowlineError:
        return []  # other findings say why
    remedy = "deploy when that does no harm; with `confirm: true` it needs --allow-restart"
    return [Finding("restarts", Severity.WARNING, f"the deploy {item}", remedy) for item in felt]
