"""`inv canary`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from invoke import Context, task

from . import cli, output, terminal

if TYPE_CHECKING:
    from towline.insight.canary import Look, SlotTraffic

_BARS = "▁▂▃▄▅▆▇█"
_EVERY = 2.0


@task(
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "window": "How far to look back. Default: 60s.",
        "watch": "How long to look. Default: until Ctrl-C on a terminal, elsewhere once.",
        "json": cli.JSON_HELP,
    },
)
def canary(
    c: Context, env: str = "local", window: str = "60s", watch: str = "", json: bool = False
) -> None:
    """Show what analysis sees: rate, errors and p95 of each slot, from the router's request log."""
    with cli.outcome():
        from towline.insight.canary import TrafficView

        back = max(1.0, cli.duration(window, "--window"))
        length = cli.duration(watch, "--watch") if watch else 0.0
        view = TrafficView(cli.open_fleet(env, only_look=True), back)
        is_live = output.can_erase(sys.stderr) and not json
        ends = time.monotonic() + (length or (float("inf") if is_live and not watch else 0.0))
        found = view.look()
        try:
            while time.monotonic() < ends:
                if is_live:
                    output.write(f"{output.erase(sys.stderr)}{line(found)}", sys.stderr)
                time.sleep(min(_EVERY, max(0.0, ends - time.monotonic())))
                found = view.look()
        except KeyboardInterrupt:
            terminal.tell()
        if is_live:
            output.write(output.erase(sys.stderr), sys.stderr)
        if json:
            terminal.say_json("canary", found.data(env))
        else:
            _show(found, env)


def _show(found: Look, env: str) -> None:
    from towline.analysis.checks import format_figure

    if not found.slots:
        terminal.say(f"no slot of {env} has traffic")
    else:
        header = ["slot", "release", "share", "requests", "rate", "errors", "p95", "p95 over time"]
        rows = [
            [
                item.slot,
                item.release,
                f"{item.share} %",
                f"{item.requests:,}",
                format_figure(item.rate, "/s"),
                format_figure(item.errors, "%"),
                format_figure(item.p95, "s"),
                spark(item),
            ]
            for item in found.slots
        ]
        terminal.table(header, rows)
    for note in found.notes:
        terminal.tell(f"  {note}")
    for host in found.away:
        terminal.tell(f"  {host} is away")


def line(found: Look) -> str:
    """All slots in one line, which is written over and over."""
    from towline.analysis.checks import format_figure

    parts = [
        f"{item.slot} {item.release} {item.share} %: {format_figure(item.rate, '/s')}, "
        f"errors {format_figure(item.errors, '%')}, p95 {format_figure(item.p95, 's')} "
        f"{spark(item)}"
        for item in found.slots
    ]
    return "  |  ".join(parts)[: terminal.width() - 1]


def spark(item: SlotTraffic) -> str:
    """The p95 over time as a row of bars; a space where there were no requests."""
    values = item.p95s[-24:]
    most = max((value for value in values if value is not None), default=0.0)
    return "".join(
        " " if value is None else _BARS[round((len(_BARS) - 1) * value / most) if most else 0]
        for value in values
    )
