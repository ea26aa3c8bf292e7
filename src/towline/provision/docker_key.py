"""Docker's key for its packages: it ships with Towline, so that nothing is fetched and trusted.

It is the file of https://download.docker.com/linux/debian/gpg, the same for Ubuntu; a copy of it is
in Debian's package `extrepo-offline-data`. `gpg --show-keys` prints its fingerprint, which
https://docs.docker.com/engine/install/debian/ names:
9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88.
"""

from __future__ import annotations

from pathlib import Path

_KEY = Path(__file__).resolve().parents[1] / "templates" / "provision" / "docker.asc"


def docker_key() -> str:
    """The armoured key, as apt takes it."""
    return _KEY.read_text()
