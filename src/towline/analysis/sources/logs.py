"""How often the containers of a slot print lines that match a pattern: matches a minute."""

from __future__ import annotations

import re
from dataclasses import dataclass

from towline.analysis.sources.base import (
    Sample,
    SourceContext,
    SourceError,
    SourceKind,
    Window,
    as_source_error,
)
from towline.config.services import Role

MOST = 10_000
"""Lines of a container that are looked at, the last ones."""
PATTERN = r"(?i)\b(error|exception|traceback|fatal|panic)\b"
"""What is looked for when the check does not say."""

METRICS = {"log_matches": "/min"}


@dataclass
class LogsSource:
    """Counts matching lines; `pattern` of the check is a regular expression."""

    context: SourceContext

    def read(self, metric: str, slot: str, window: Window) -> Sample:
        """See `Source.read`."""
        if metric not in METRICS and not self.context.settings:
            raise SourceError(f"logs: unknown metric {metric!r}", remedy="metric: log_matches")
        pattern = re.compile(str(self.context.settings.get("pattern") or PATTERN))
        wanted = str(self.context.settings.get("service") or "")
        engine = self.context.engine
        asked = matches = 0
        is_cut = False
        try:
            for item in engine.observe().of(slot, Role.APP, Role.WORKER):
                if wanted in ("", item.service):
                    age = max(window.seconds, 1.0)
                    lines = engine.logs(item, MOST, age, required=True)
                    asked += 1
                    is_cut = is_cut or len(lines) >= MOST
                    matches += sum(1 for line in lines if pattern.search(line))
        except Exception as error:
            raise as_source_error("logs", error) from None
        if not asked or not window.seconds:
            return Sample(None, 0, METRICS["log_matches"])
        note = f"only the last {MOST} lines of a container were read" if is_cut else ""
        return Sample(60 * matches / window.seconds, asked, METRICS["log_matches"], note=note)


SOURCE = SourceKind(LogsSource, METRICS, is_shared=False)
