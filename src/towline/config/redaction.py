"""Take secrets out of everything that is printed, logged or journalled.

Secrets are masked by value, in every form they commonly take on the way to a log: as they are,
URL-encoded, base64 at each of the three byte alignments, escaped as in JSON (Go's too, and JSON
within JSON), and quoted for a shell, for YAML, for an environment file and by Compose, which
doubles `$`. Each line of a multi-line secret is masked too, because logs come in lines. Values
shorter than `secrets.MIN_MASKED` are left: masking them would mangle ordinary words.
"""

import base64
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from towline.config.secrets import MIN_MASKED, placeholder, secret_values

MASK = "[redacted]"
# Docker and Compose are written in Go, whose JSON is safe to put into HTML.
_GO_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Redactor:
    """Masks the secrets among variables, of one environment file or of several."""

    def __init__(self, *several: Mapping[str, str]) -> None:
        secrets = {
            text
            for values in several
            for _, secret in secret_values(values)
            for text in _with_lines(secret)
            if len(text) >= MIN_MASKED and not _ordinary(text)
        }
        forms = {form for secret in secrets for form in _forms(secret)}
        # Longest first: a secret that contains another is masked whole.
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def redact(self, text: str) -> str:
        """The text with every secret masked."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def redact_data(self, data: Any) -> Any:
        """The same structure of mappings, lists and texts with every secret masked."""
        if isinstance(data, str):
            return self.redact(data)
        if isinstance(data, Mapping):
            return {self.redact_data(key): self.redact_data(value) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self.redact_data(item) for item in data]
        return data


def _ordinary(text: str) -> bool:
    # `change-me` stops a deploy; masking it would only mangle what is said about it.
    return placeholder(text) and not any(map(str.isdigit, text))


def _with_lines(secret: str) -> Iterator[str]:
    yield secret
    lines = secret.splitlines()
    if len(lines) > 1:
        yield secret.strip()
        # The marks of a PEM file say nothing that is secret.
        yield from (line.strip() for line in lines if not line.startswith("-----"))


def _forms(secret: str) -> Iterator[str]:
    for text in {secret, secret.replace("$", "$$")}:
        yield text
        yield text.replace("'", "''")
        yield text.replace("'", "\\'")
        yield repr(text)[1:-1]
        quoted = shlex.quote(text)
        yield quoted[1:-1] if quoted != text else text
        for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
            yield escaped
            yield json.dumps(escaped)[1:-1]
            yield escaped.translate(_GO_JSON)
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded
        yield re.sub("%..", lambda match: match[0].lower(), encoded)
    yield from _base64(secret)


def _base64(secret: str) -> Iterator[str]:
    raw = secret.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            # Only the characters that depend on nothing but the secret: what stands before and
            # after it shares the characters at the edges.
            encoded = encode(b"\0" * shift + raw).decode().rstrip("=")
            first = (shift * 8 + 5) // 6
            last = (shift + len(raw)) * 8 // 6
            middle = encoded[first:last]
            if len(middle) >= MIN_MASKED:
                yield middle
