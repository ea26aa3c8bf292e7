"""Secrets that masking cannot keep, since they are plain words."""

from collections.abc import Collection, Iterator, Mapping

from towline.config.redaction import KNOWN
from towline.config.secrets import secret_values
from towline.findings import Finding, Severity

CHECK = "secrets"


def check_plain_secrets(
    values: Mapping[str, str], names: Collection[str] = ()
) -> Iterator[Finding]:
    """Passwords that are names of services, of the project or of an environment.

    Args:
        values: The environment's variables.
        names: Variables that are secrets too, whatever they are called.
    """
    plain = [name for name, text in secret_values(values, names) if KNOWN.is_public(text)]
    for name in dict.fromkeys(plain):
        yield Finding(
            CHECK,
            Severity.WARNING,
            f"{name} is the name of a service, of the project or of an environment: it cannot be "
            "masked in output",
            f"choose another value for {name}",
        )
