"""GitHub's REST API, as far as a pull request needs it: three requests, by httpx."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from towline.errors import UsageError

_SECONDS = 20
_RETRIES = 2
_PAUSE = 0.5
# What passes by itself, where asking again does nothing twice.
_AWAY = (502, 503, 504)
_HEADERS = {
    "Accept": "application/vnd.github+json",
    "User-Agent": "towline",
    "X-GitHub-Api-Version": "2022-11-28",
}

# Where others look for certificates; httpx knows SSL_CERT_FILE and SSL_CERT_DIR by itself.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

Unreachable = (httpx.RequestError, httpx.InvalidURL, ImportError, OSError)
"""Why there is no answer, or none that can be read: httpx has no one word for it. An ImportError
is a proxy that needs a package, an OSError a certificate file that is not there."""


class Refused(Exception):
    """An answer that is no success.

    Attributes:
        status: Its status.
        data: What it says; empty when that is no JSON object.
        headers: Its headers.
    """

    def __init__(self, status: int, data: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(f"status {status}")
        self.status, self.data, self.headers = status, data, headers


class GitHub:
    """A client of the API.

    Args:
        address: Where the API is.
        token: Whose requests these are; httpx does not show it to another host that a redirect
            leads to.
    """

    def __init__(self, address: str, token: str) -> None:
        try:
            self._client = httpx.Client(
                base_url=address,
                headers={**_HEADERS, "Authorization": f"Bearer {token}"},
                timeout=_SECONDS,
                verify=_trusted(),
            )
        except ValueError as error:
            # A proxy of an unknown kind.
            raise httpx.InvalidURL(str(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: str) -> Any:
        """Ask for something.

        Raises:
            Refused: When the answer is no success.
            Unreachable: When there is none.
        """
        left = _RETRIES
        while True:
            try:
                # A repository that was renamed has moved.
                answer = self._client.get(path, params=query, follow_redirects=True)
            except httpx.TransportError:
                if not left:
                    raise
            else:
                if answer.status_code not in _AWAY or not left:
                    return _data(answer)
            # However long the server asks to wait: whoever waits for us can ask again.
            time.sleep(_PAUSE * 2 ** (_RETRIES - left))
            left -= 1

    def post(self, path: str, **data: str) -> Any:
        """Make something; raises as `get` does."""
        return _data(self._client.post(path, json=data))

    def patch(self, path: str, **data: str) -> Any:
        """Change something; raises as `get` does."""
        return _data(self._client.patch(path, json=data))


def _trusted() -> ssl.SSLContext | bool:
    """Whose certificates are trusted: a company's own, where a variable names them.

    Raises:
        UsageError: When they cannot be read.
    """
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        return True
    for name in _BUNDLES:
        path = os.environ.get(name)
        if not path:
            continue
        try:
            if Path(path).is_dir():
                return ssl.create_default_context(capath=path)
            return ssl.create_default_context(cafile=path)
        except OSError as error:
            raise UsageError(
                f"{name}: no certificates can be read from {path}: {error.strerror or error}",
                remedy=f"set {name} to a file of certificates in PEM form, or unset it",
            ) from None
    return True


def _data(answer: httpx.Response) -> Any:
    try:
        data = answer.json()
    except ValueError:
        data = {}
    if not answer.is_success:
        raise Refused(answer.status_code, data if isinstance(data, dict) else {}, answer.headers)
    return data
