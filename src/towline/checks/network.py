"""Does the name that users type lead anywhere?"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from towline.findings import Finding, Severity


def check_name(url: str) -> Iterator[Finding]:
    """Whether the name that users type resolves."""
    import socket

    name = urlsplit(url).hostname
    if not name:
        return
    try:
        socket.getaddrinfo(name, None)
    except OSError as error:
        yield Finding(
            "network",
            Severity.WARNING,
            f"{name}, from the environment's url, does not resolve: {error}",
            "set its DNS record, or correct environments.*.url",
        )
    else:
        yield Finding("network", Severity.OK, f"{name} resolves")
