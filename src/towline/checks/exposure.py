"""Secrets that masking cannot keep: those put into an image, and those that are plain words."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from towline.config.redaction import KNOWN
from towline.config.secrets import is_secret_name, secret_values
from towline.engines.compose.stack import Stack
from towline.findings import Finding, Severity

CHECK = "secrets"


def check_exposure(
    stack: Stack, values: Mapping[str, str], names: Collection[str] = ()
) -> Iterator[Finding]:
    """Secrets among build arguments and labels, and passwords that are names of services.

    Args:
        stack: The resolved Compose file.
        values: The environment's variables.
        names: Variables that are secrets too, whatever they are called.
    """
    for service, definition in sorted((stack.model.get("services") or {}).items()):
        yield from _build(service, definition.get("build") or {}, names)
    plain = [name for name, text in secret_values(values, names) if KNOWN.is_public(text)]
    for name in dict.fromkeys(plain):
        yield Finding(
            CHECK,
            Severity.WARNING,
            f"{name} is the name of a service, of the project or of an environment: it cannot be "
            "masked in output",
            f"choose another value for {name}",
        )


def _build(service: str, build: Mapping[str, Any], names: Collection[str]) -> Iterator[Finding]:
    for kind, what in (("args", "build argument"), ("labels", "label")):
        for name, value in _pairs(build.get(kind)):
            text = str(value or "")
            named = bool(text) and (name in names or is_secret_name(name))
            if named or KNOWN.redact(text) != text:
                yield Finding(
                    CHECK,
                    Severity.ERROR,
                    f"{service}: {what} {name} is a secret, and would stay in the image's history",
                    "use a build secret: `secrets: [NAME]` in `build`, `NAME: {file: "
                    "../security/secrets/NAME}` in the file's `secrets`, and in the Dockerfile "
                    "`RUN --mount=type=secret,id=NAME …`",
                )


def _pairs(given: Any) -> Iterator[tuple[str, Any]]:
    """Build arguments are a mapping or a list of `NAME=value`."""
    if isinstance(given, Mapping):
        yield from ((str(name), value) for name, value in given.items())
    for item in given if isinstance(given, list) else ():
        yield str(item).partition("=")[0], str(item).partition("=")[2]
