"""What the pre-deploy check says of a host's certificates, keys and secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from towline.checks.certificates import certificates
from towline.config.certificate import findings, pair_findings
from towline.engines.bundle import PERSISTENT, Bundle
from towline.environments import renewal
from towline.environments.host_environment import HostEnvironment
from towline.environments.host_files import HostFiles, local, of_release, owner_of, wanted_by
from towline.errors import TowlineError
from towline.findings import Finding, Severity
from towline.hosts.base import Folder
from towline.promotion.tree import is_host_file
from towline.state.releases import Release

CHECK = "secrets"


def check_host_files(
    site: HostEnvironment, bundle: Bundle, live: Release | None
) -> Iterator[Finding]:
    """Whether services find, and can read, the keys and secrets that they mount on a host.

    Args:
        site: The environment on that host.
        bundle: What the deploy tree describes.
        live: The release that serves there.
    """
    tree = site.project.deploy_tree.resolve()
    persistent = bundle.reads(*PERSISTENT)
    try:
        found: HostFiles = of_release(site, wanted_by(bundle), live)
        yield from _readable(site, bundle, found)
        own = local(site, persistent)
        yield from _readable(site, bundle, own)
        folder = site.engine.configuration
        for path in dict.fromkeys(path for paths in persistent.values() for path in paths):
            if is_host_file(path.as_posix()) and not any(item.is_relative_to(path) for item in own):
                yield _missing(site, tree, folder, path)
        for said in renewal.find(site, live).said if live else ():
            remedy = "`inv certificate.reload --force` replaces a certificate by the one here"
            yield Finding(CHECK, Severity.WARNING, said, remedy)
    except TowlineError as error:
        yield Finding(CHECK, Severity.ERROR, error.message, error.remedy)


def local_certificates(site: HostEnvironment, bundle: Bundle) -> Iterator[Finding]:
    """The router's certificates on this machine; in a fresh clone there are none."""
    for certificate, key in _certificates(bundle):
        if certificate.exists() or key.exists():
            yield from findings(certificate, key, site.environment.checks.certificate_days)


def check_certificates(site: HostEnvironment, bundle: Bundle) -> Iterator[Finding]:
    """The certificates that a host serves, where they differ from those here.

    One that is not here is the host's own; one that differs is renewed by a deploy.
    """
    tree = site.project.deploy_tree.resolve()
    folder = site.engine.configuration
    days = site.environment.checks.certificate_days
    for certificate, key in _certificates(bundle):
        there = _pair(folder, tree, certificate, key)
        is_here = certificate.exists() or key.exists()
        if there is None and not is_here:
            yield from findings(certificate, key, days)
        elif there and not (is_here and there[0] == _bytes(certificate)):
            place = folder.root / certificate.relative_to(tree)
            for finding in pair_findings(*there, place, folder.root / key.relative_to(tree), days):
                yield _on_host(site, finding, is_replaced=is_here)


def _certificates(bundle: Bundle) -> Iterator[tuple[Path, Path]]:
    if bundle.router:
        yield from certificates(bundle.mounts[bundle.router])


def _on_host(site: HostEnvironment, finding: Finding, *, is_replaced: bool) -> Finding:
    if not is_replaced:
        message = f"{finding.message} (on {site.host.name}; there is none here)"
        return Finding(finding.check, finding.severity, message, finding.remedy)
    return Finding(
        finding.check,
        Severity.OK if finding.severity is Severity.OK else Severity.WARNING,
        f"{finding.message} (what {site.host.name} has, and not the one here)",
        "`inv deploy` and `inv certificate.reload` bring the one that is here",
    )


def _pair(folder: Folder, tree: Path, *paths: Path) -> tuple[bytes, bytes] | None:
    """The content of a certificate and its key on the host."""
    try:
        certificate, key = (folder.read(path.relative_to(tree)) for path in paths)
    except (OSError, ValueError, TowlineError):
        return None
    return certificate, key


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _readable(site: HostEnvironment, bundle: Bundle, files: HostFiles) -> Iterator[Finding]:
    for path, file in files.items():
        try:
            owner_of(site, bundle, path, file)
        except TowlineError as error:
            yield Finding(CHECK, Severity.ERROR, error.message, error.remedy)
        if not file.is_here:
            yield Finding(
                CHECK,
                Severity.WARNING,
                f"{path} is not here: {site.host.name} keeps the one that it has",
                f"put it to {site.project.deploy_tree / path} to deploy another one",
            )


def _missing(site: HostEnvironment, tree: Path, folder: Folder, path: Path) -> Finding:
    if folder.entry(path):
        return Finding(
            CHECK,
            Severity.WARNING,
            f"{path} is not here: {site.host.name} keeps the one that it has",
            f"put it to {tree / path} to deploy another one",
        )
    return Finding(
        CHECK,
        Severity.ERROR,
        f"{path} is neither here nor on {site.host.name}",
        f"put it to {tree / path} (chmod 600); it is never committed",
    )
