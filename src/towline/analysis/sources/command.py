"""A program of the project as a source: its exit code, or the JSON that it prints.

It finds TOWLINE_SLOT, TOWLINE_RELEASE and TOWLINE_WINDOW (seconds) in its environment. When it
prints a number, or `{"value": …, "count": …}`, that is the figure; else its exit code is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from towline.analysis.sources.base import (
    Sample,
    SourceContext,
    SourceError,
    SourceKind,
    Window,
)

_TIMEOUT = 30.0


@dataclass
class CommandSource:
    """Runs the `command` of the check, in the deploy tree."""

    context: SourceContext

    def read(self, metric: str, slot: str, window: Window) -> Sample:
        """See `Source.read`."""
        argv = [str(word) for word in self.context.settings.get("command") or ()]
        if not argv:
            raise SourceError(f"command: {metric}: the check has no `command`")
        program = sys.executable if argv[0] == "python" else argv[0]
        environment = {
            **os.environ,
            **self.context.variables,
            "TOWLINE_SLOT": slot,
            "TOWLINE_RELEASE": self.context.releases.get(slot, ""),
            "TOWLINE_WINDOW": f"{window.seconds:.0f}",
        }
        try:
            done = subprocess.run(
                [program, *argv[1:]],
                cwd=self.context.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=float(self.context.settings.get("timeout") or _TIMEOUT),
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SourceError(f"command: {argv[0]}: {error}") from None
        return parse_output(argv[0], done.returncode, done.stdout)


def parse_output(program: str, code: int, output: str) -> Sample:
    """The figure that a program gave.

    Raises:
        SourceError: When it printed a figure and failed: nobody knows which of them counts.
    """
    try:
        data = json.loads(output)
        found = data if isinstance(data, dict) else {"value": data}
        value = None if found["value"] is None else float(found["value"])
        count = int(found.get("count", 0 if value is None else 1))
    except (ValueError, KeyError, TypeError):
        return Sample(float(code), 1)
    if code:
        raise SourceError(f"command: {program} exited with code {code}")
    return Sample(value, count)


SOURCE = SourceKind(CommandSource, is_shared=False)
