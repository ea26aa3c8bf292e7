"""Ask a probe: `kinds/` has a module for each kind, found by its name, with a function `ask`."""

from __future__ import annotations

import importlib
from dataclasses import replace

from towline.config.probes import AnyProbe
from towline.health.probes import Answer, Outcome
from towline.health.target import CannotAskError, Target

PACKAGE = "towline.health.kinds"


def ask_probe(probe: AnyProbe, target: Target) -> Answer:
    """Ask one container once.

    Args:
        probe: What is asked.
        target: The container.

    Raises:
        Exception: What its host says when it is lost.
    """
    ask = importlib.import_module(f"{PACKAGE}.{probe.kind}").ask
    try:
        answer: Answer = ask(probe, target)
    except CannotAskError as error:
        answer = Answer(Outcome.ERROR, str(error), hint=error.remedy)
    return replace(answer, kind=probe.kind)
