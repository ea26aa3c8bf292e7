"""Take secrets out of everything that is printed, logged or journalled.

Secrets are masked by value, in every form they commonly take on the way to a log: as they are,
URL-encoded, base64 at each of the three byte alignments, escaped as in JSON, and quoted for a
shell. Values shorter than `secrets.MIN_MASKED` are left: masking them would mangle ordinary words.
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


class Redactor:
    """Masks the secrets among variables, of one environment file or of several."""

    def __init__(self, *several: Mapping[str, str]) -> None:
        secrets = {
            text
            for values in several
            for _, text in secret_values(values)
            if len(text) >= MIN_MASKED and not placeholder(text)
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


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield shlex.quote(secret)[1:-1] if shlex.quote(secret) != secret else secret
    yield repr(secret)[1:-1]
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
