"""Variables that the description names and nothing gives a value to."""

from collections.abc import Iterator

from towline.engines.bundle import Bundle
from towline.findings import Finding, Severity


def check_variables(bundle: Bundle, example: str) -> Iterator[Finding]:
    """Variables that the Compose file names and nothing gives a value to."""
    for name in bundle.unset:
        yield Finding(
            "variables",
            Severity.ERROR,
            f"the compose file uses {name}, and it has no value",
            f"set it in the environment's file ({example} lists all), or write ${{{name}:-}} if it "
            "may be empty",
        )
