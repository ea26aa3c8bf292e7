"""Are the router's certificates there, valid, and not about to expire?"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from towline.config.certificate import findings
from towline.findings import Finding

_DIRECTIVE = re.compile(r"^\s*ssl_certificate(?P<key>_key)?\s+(?P<path>[^;\s]+)\s*;", re.MULTILINE)


def check_certificates(router: dict[str, Any], warn_days: int) -> Iterator[Finding]:
    """Every certificate that the mounted nginx configuration names.

    Args:
        router: The resolved definition of the router service.
        warn_days: Warn when a certificate expires within this many days.
    """
    mounted = {
        str(volume["target"]).rstrip("/"): Path(volume["source"])
        for volume in router.get("volumes") or []
        if volume.get("type") == "bind"
    }
    certificates: list[str] = []
    keys: list[str] = []
    for source in mounted.values():
        for file in [source] if source.is_file() else sorted(source.glob("**/*.conf")):
            if file.suffix in (".conf", ".inc"):
                for match in _DIRECTIVE.finditer(file.read_text("utf-8", "replace")):
                    (keys if match["key"] else certificates).append(match["path"])
    for certificate, key in dict.fromkeys(zip(certificates, keys, strict=False)):
        here, key_here = _on_host(certificate, mounted), _on_host(key, mounted)
        if here and key_here:
            yield from findings(here, key_here, warn_days)


def _on_host(path: str, mounted: dict[str, Path]) -> Path | None:
    """The file on this side of a mount; None when it is part of the image."""
    for target, source in mounted.items():
        if path == target:
            return source
        if path.startswith(target + "/"):
            return source / path.removeprefix(target + "/")
    return None
