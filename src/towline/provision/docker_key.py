"""Docker's key for its packages: fetched here, believed only by its fingerprint."""

from __future__ import annotations

from towline.errors import TowlineError
from towline.provision.openpgp import fingerprints

# https://docs.docker.com/engine/install/debian/ and …/ubuntu/ name the same key.
FINGERPRINT = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
_SECONDS = 20


def fetch(distribution: str) -> str:
    """The armoured key of the repository for `debian` or `ubuntu`.

    Raises:
        TowlineError: When it cannot be fetched, or is another key.
    """
    import httpx

    address = f"https://download.docker.com/linux/{distribution}/gpg"
    try:
        text = httpx.get(address, timeout=_SECONDS, follow_redirects=True).raise_for_status().text
    except httpx.HTTPError as error:
        raise TowlineError(
            f"{address} cannot be fetched: {error or type(error).__name__}",
            remedy="try again, or take the distribution's packages: --engine distro",
        ) from None
    return believed(text)


def believed(text: str) -> str:
    """The key, if it is Docker's and no other is with it.

    Raises:
        TowlineError: When it is not.
    """
    try:
        found = fingerprints(text)
    except ValueError as error:
        found = [str(error)]
    if found != [FINGERPRINT]:
        raise TowlineError(
            f"what was fetched is not Docker's key: {', '.join(found) or 'it holds none'}",
            details=[f"expected {FINGERPRINT}"],
            remedy="somebody may stand between you and Docker; --engine distro does without it",
        )
    return text
