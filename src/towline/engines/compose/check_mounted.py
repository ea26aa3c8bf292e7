"""Are the files that containers mount on a host still what Towline placed there?"""

from collections.abc import Iterator

from towline.engines.compose.placed import Placed
from towline.errors import TowlineError
from towline.findings import Finding, Severity
from towline.hosts.base import Files
from towline.state.releases import StateFolder

CHECK = "mounted"


def check_mounted(files: Files, state: StateFolder) -> Iterator[Finding]:
    """Configuration files that somebody changed on the host, and links that a container planted."""
    try:
        placed = Placed.read(files, state)
        for path in placed.changed():
            yield Finding(
                CHECK,
                Severity.WARNING,
                f"{state.live / path} was changed on the host since Towline placed it",
                "a deploy replaces it and keeps a copy in `replaced` beside `live`; to keep the "
                "change, make it in the deploy tree and run `inv promote`",
            )
    except TowlineError as error:
        yield Finding(CHECK, Severity.ERROR, error.message, error.remedy)
