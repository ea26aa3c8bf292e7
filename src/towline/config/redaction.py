"""Take secrets out of everything that is printed, logged or journalled.

Secrets are masked by value, in every form they commonly take on the way to a log: as they are,
URL-encoded, base64 at each of the three byte alignments, escaped as in JSON (Go's too, and JSON
within JSON), and quoted for a shell, for YAML, for an environment file and by Compose, which
doubles `$`. Each line of a multi-line secret is masked too, because logs come in lines. Values
shorter than `secrets.MIN_MASKED` are left: masking them would mangle ordinary words.

What nobody told us of is masked by its shape: see `secret_shapes`.

`KNOWN` is the one redactor of this process. Whoever reads a secret tells it, and whatever leaves
the process (the terminal, JSON, the journal, saved logs) passes it, so that no single message has
to be thought of. A text that is to be cut is masked before: `excerpt`.
"""

import base64
import json
import re
import shlex
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from towline.config.secret_shapes import MASK, mask_shapes
from towline.config.secrets import MIN_MASKED, placeholder, secret_values

__all__ = ["KNOWN", "MASK", "Redactor", "excerpt"]

_NOTHING = r"(?!)"
# Docker and Compose are written in Go, whose JSON is safe to put into HTML.
_GO_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[/!]?[a-zA-Z][^>]*>", re.S | re.I)


class Redactor:
    """Masks the secrets among variables, and whatever else it is told of."""

    def __init__(self, *several: Mapping[str, str]) -> None:
        # A signal handler may print in the middle of anything.
        self._lock = threading.RLock()
        self._secrets: set[str] = set()
        self._public: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.learn(*several)

    def learn(self, *several: Mapping[str, str], names: Collection[str] = ()) -> None:
        """Mask the secrets among these variables from now on.

        Args:
            several: Variables, of one environment file or of several.
            names: Variables that are secrets too, whatever they are called.
        """
        self._add(secret for values in several for _, secret in secret_values(values, names))

    def learn_file(self, text: str) -> None:
        """Mask the content of a secret file: the whole, its lines, and values that it names."""
        self._add([text, text.strip(), *(value for _, value in secret_values(_settings(text)))])

    def publish(self, words: Iterable[str]) -> None:
        """Words that Towline itself prints, such as names of services, are never masked.

        A password that is such a word protects nothing, and masking it would mangle every table.
        """
        with self._lock:
            self._public |= set(words)
            self._pattern = None

    def is_public(self, text: str) -> bool:
        """Whether a text is one of the words that are printed anyway."""
        return text in self._public

    def forget(self) -> None:
        """Know nothing any more, as at the start."""
        with self._lock:
            self._secrets, self._public, self._pattern = set(), set(), None

    def redact(self, text: str) -> str:
        """The text with every secret masked."""
        # Other threads learn and publish meanwhile, which drops the pattern.
        pattern = self._pattern or self._compiled()
        return mask_shapes(pattern.sub(MASK, text) if pattern.pattern != _NOTHING else text)

    def redact_data(self, data: Any) -> Any:
        """The same structure of mappings, lists and texts with every secret masked."""
        if isinstance(data, str):
            return self.redact(data)
        if isinstance(data, Mapping):
            return {self.redact_data(key): self.redact_data(value) for key, value in data.items()}
        if isinstance(data, list | tuple | set | frozenset):
            return [self.redact_data(item) for item in data]
        return data

    def _add(self, secrets: Iterable[str]) -> None:
        found = {
            text
            for secret in secrets
            for text in _with_lines(secret)
            if len(text) >= MIN_MASKED and not _ordinary(text)
        }
        with self._lock:
            if not found <= self._secrets:
                self._secrets |= found
                self._pattern = None

    def _compiled(self) -> re.Pattern[str]:
        # Under the lock to its end: a pattern that lacks what was learnt meanwhile must not stay.
        with self._lock:
            forms = {form for secret in self._secrets - self._public for form in _forms(secret)}
            # Longest first: a secret that contains another is masked whole.
            ordered = sorted(forms, key=len, reverse=True)
            pattern = re.compile("|".join(map(re.escape, ordered)) or _NOTHING)
            self._pattern = pattern
        return pattern


KNOWN = Redactor()
"""The secrets that this process knows of."""


def excerpt(text: str, limit: int) -> str:
    """The beginning of a foreign text on one line: secrets masked first, then markup and the rest.

    A secret that was cut before it was masked would not be recognised any more.
    """
    import html

    plain = html.unescape(_TAG.sub(" ", text)) if _TAG.search(text) else text
    return KNOWN.redact(" ".join(KNOWN.redact(plain).split()))[:limit]


def _settings(text: str) -> dict[str, str]:
    """Names and values in a file of settings: JSON, or `NAME=value` and `name: value` lines."""
    try:
        return dict(_leaves(json.loads(text)))
    except ValueError:
        pairs = re.findall(r"^\s*([\w.-]+)\s*[=:]\s*(\S.*?)\s*$", text, re.M)
        return {name: value.strip("'\"") for name, value in pairs}


def _leaves(data: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _leaves(value, str(key))
    elif isinstance(data, list):
        for value in data:
            yield from _leaves(value, name)
    elif isinstance(data, str):
        yield name, data


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
