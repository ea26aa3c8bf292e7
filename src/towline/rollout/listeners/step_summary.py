"""A summary on the page of a workflow's run: GitHub shows what is appended to a file."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from towline.config.redaction import KNOWN
from towline.config.units import format_duration
from towline.rollout.events import Alert, Begun, Ended, Event, Listener, StepEnded

_RESULTS = {0: "done", 4: "failed and rolled back", 5: "locked", 6: "manual intervention required"}


def listen() -> Listener | None:
    """The listener, where a workflow runs."""
    path = os.environ.get("GITHUB_STEP_SUMMARY", "")
    return StepSummary(Path(path)) if path else None


@dataclass
class StepSummary:
    """Collects the steps and writes them as one table, when the operation ends.

    Attributes:
        path: The file that is appended to.
    """

    path: Path
    begun: Begun | None = None
    steps: list[StepEnded] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Begun):
            self.begun = event
        elif isinstance(event, StepEnded):
            self.steps.append(event)
        elif isinstance(event, Ended) and self.begun:
            self._append("\n".join(self._lines(self.begun, event)))
        elif isinstance(event, Alert):
            self._append(_alert(event))

    def _append(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n\n")

    def _lines(self, begun: Begun, ended: Ended) -> list[str]:
        result = _RESULTS.get(ended.exit_code, "failed")
        if ended.paused:
            result = f"paused {ended.paused}"
        lines = [
            f"### {begun.kind} {begun.project} {begun.release} to {begun.environment}: {result}",
            "",
            *([f"> {_cell(ended.error)}", ""] if ended.error else []),
            "| step | | took | |",
            "|---|---|---|---|",
        ]
        for step in self.steps:
            mark = "✗" if step.error else "✓"
            hosts = "<br>".join(f"{name}: {_cell(text)}" for name, text in step.hosts)
            said = step.error or step.text
            text = "<br>".join(filter(None, [_cell(said), hosts]))
            took = format_duration(step.seconds)
            lines.append(f"| {_cell(step.title)} | {mark} | {took} | {text} |")
        return lines


def _alert(event: Alert) -> str:
    said = f"{event.trigger}: {event.text}" if event.text else event.trigger
    return (
        f"### guard of {event.project} {event.release} in {event.environment}: {event.decision}\n\n"
        f"> {_cell(said)}" + (f"<br>{_cell(event.why)}" if event.why else "")
    )


def _cell(text: str) -> str:
    """A text in one cell of a table, shown as it is, without secrets."""
    text = KNOWN.redact(text)
    escaped = (f"&#{ord(sign)};" if sign in "\\|<>&`*_[]" else sign for sign in text)
    return " ".join("".join(escaped).split())
