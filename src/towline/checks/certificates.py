"""Which certificates does the router serve?"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from towline.engines.bundle import Mount

_DIRECTIVE = re.compile(
    r"(?:^|(?<=[;{]))\s*ssl_certificate(?P<key>_key)?\s+(?P<path>[^;\s]+)\s*;", re.MULTILINE
)


def certificates(mounts: Iterable[Mount]) -> Iterator[tuple[Path, Path]]:
    """Every certificate that the mounted nginx configuration names, and its key.

    Args:
        mounts: What the router reads.
    """
    mounted = {mount.target.rstrip("/"): mount.source for mount in mounts}
    named: list[str] = []
    keys: list[str] = []
    for source in mounted.values():
        for file in [source] if source.is_file() else sorted(source.glob("**/*.conf")):
            if file.suffix in (".conf", ".inc"):
                for match in _DIRECTIVE.finditer(_text(file)):
                    (keys if match["key"] else named).append(match["path"])
    for certificate, key in dict.fromkeys(zip(named, keys, strict=False)):
        here, key_here = _on_host(certificate, mounted), _on_host(key, mounted)
        if here and key_here:
            yield here, key_here


def _text(file: Path) -> str:
    """A configuration file without its comments."""
    return re.sub(r"#.*", "", file.read_text("utf-8", "replace"))


def _on_host(path: str, mounted: dict[str, Path]) -> Path | None:
    """The file on this side of a mount; None when it is part of the image."""
    for target, source in mounted.items():
        if path == target:
            return source
        if path.startswith(target + "/"):
            return source / path.removeprefix(target + "/")
    return None
