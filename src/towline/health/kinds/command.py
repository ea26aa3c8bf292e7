"""A command in the container."""

import time

from towline.config.probes import CommandProbe
from towline.config.redaction import excerpt
from towline.health.probes import Answer, Outcome
from towline.health.target import Target

_SHOWN = 160


def ask(probe: CommandProbe, target: Target) -> Answer:
    """See `ask_probe`."""
    # The first word is enough: arguments may be long, or a secret.
    name = probe.command[0]
    started = time.monotonic()
    try:
        done = target.run(probe.command, probe.timeout)
    except TimeoutError as error:
        return Answer(Outcome.ERROR, f"{name}: {error}", time.monotonic() - started)
    took = time.monotonic() - started
    said = excerpt(f"{done.out} {done.err}", _SHOWN)
    if not done.ok:
        detail = f"{name}: exit code {done.code}: {said}".removesuffix(": ")
        return Answer(Outcome.FAILURE, detail, took)
    if probe.contains not in done.out:
        return Answer(Outcome.FAILURE, f"{name}: {probe.contains!r} is not in: {said}", took)
    return Answer(Outcome.HEALTHY, f"{name}: exit code 0 in {took * 1000:.0f} ms", took)
