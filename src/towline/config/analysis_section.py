"""The section `analysis`: what a release is judged by while it has traffic."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from towline.config.conditions import Condition, NoWorse, Threshold, parse_condition
from towline.config.model import Command, Model
from towline.config.units import Duration
from towline.discovery import module_names

_BY_KEY = {"query": "prometheus", "command": "command", "pattern": "logs"}


def source_names() -> list[str]:
    """The sources of figures that there are: each is a module, found by its name."""
    return [name for name in module_names("towline.analysis.sources") if name != "base"]


def _known_source(given: str) -> str:
    if given and given not in source_names():
        raise ValueError(f"unknown source {given!r}; known: {', '.join(source_names())}")
    return given


def _valid_condition(given: str) -> str:
    parse_condition(given)
    return given


def _valid_pattern(given: str) -> str:
    try:
        re.compile(given)
    except re.error as error:
        raise ValueError(f"{given!r} is not a regular expression: {error}") from None
    return given


SourceName = Annotated[
    str,
    AfterValidator(_known_source),
    WithJsonSchema({"type": "string", "enum": ["", *source_names()]}),
]


class Check(Model):
    """One figure, and what is demanded of it."""

    condition: Annotated[str, AfterValidator(_valid_condition)] = Field(
        alias="pass",
        description="What is demanded: `< 5%`, `< 1000ms`, `< 1.2x old`, `no worse than old`.",
    )
    metric: str = Field("", description="What is measured; default: the name of the check.")
    source: SourceName = Field(
        "", description="Where the figure comes from; default: the source that has the metric."
    )
    limit: int = Field(2, ge=0, description="Failures that are tolerated.")
    errors: int = Field(3, ge=0, description="Times that the source may be out of reach.")
    inconclusive: int = Field(3, ge=0, description="Answers that may be inconclusive.")
    minimum: int | None = Field(
        None,
        ge=1,
        description="Observations it needs; default: that of the section for requests, else 1.",
    )
    critical: bool = Field(
        True,
        description="Whether its failure fails the analysis; otherwise it counts in the score.",
    )
    weight: float = Field(1.0, gt=0, description="Its weight in the score.")
    query: str = Field("", description="Of `prometheus`: a query with $slot, $release, $window.")
    url: str = Field("", description="Of `prometheus`: its address.")
    service: str = Field(
        "", description="Of `prometheus`: its service; of `logs`: the only service that counts."
    )
    port: int = Field(9090, ge=1, le=65535, description="Of `prometheus`: its port.")
    pattern: Annotated[str, AfterValidator(_valid_pattern)] = Field(
        "", description="Of `logs`: a regular expression."
    )
    command: Command = Field([], description="Of `command`: the program and its arguments.")
    timeout: Duration = Field(30.0, description="Of `command`: how long it may take.")

    @property
    def demanded(self) -> Condition:
        """The condition, parsed."""
        return parse_condition(self.condition)

    @property
    def compares(self) -> bool:
        """Whether it needs the old release's figures of the same time."""
        demanded = self.demanded
        return isinstance(demanded, NoWorse) or demanded.is_relative

    @property
    def origin(self) -> str:
        """The source as far as its keys tell; empty when its metric decides."""
        return self.source or next((of for key, of in _BY_KEY.items() if getattr(self, key)), "")

    @model_validator(mode="after")
    def _has_what_its_source_needs(self) -> Check:
        for key, source in _BY_KEY.items():
            if key != "pattern" and self.origin == source and not getattr(self, key):
                raise ValueError(f"source {source} needs `{key}`")
            if getattr(self, key) and self.origin != source:
                raise ValueError(f"`{key}` is for source {source}, not {self.origin}")
        demanded = self.demanded
        if isinstance(demanded, Threshold) and demanded.is_relative and demanded.number <= 0:
            raise ValueError("a factor of the old release's figure is above 0")
        return self


def _as_check(given: Any) -> Any:
    """Let `errors: "< 5%"` stand for `errors: {pass: "< 5%"}`."""
    return {"pass": given} if isinstance(given, str) else given


Checks = dict[str, Annotated[Check, BeforeValidator(_as_check, json_schema_input_type=Check | str)]]


class Score(Model):
    """From which score on checks that are not critical are a pass, or inconclusive."""

    passing: float = Field(
        95.0, ge=0, le=100, alias="pass", description="From this score on it is a pass."
    )
    marginal: float = Field(
        75.0, ge=0, le=100, description="From this score on it is inconclusive, below it a fail."
    )


class Analysis(Model):
    """What a release is judged by while it has traffic."""

    window: Duration = Field(300.0, gt=0, description="How long it is judged with all traffic.")
    interval: Duration = Field(10.0, gt=0, description="Time between two questions.")
    minimum: int = Field(50, ge=1, description="Requests that a figure of requests needs.")
    on_no_data: Literal["hold", "fail", "pass"] = Field(
        "hold",
        description="What too few observations mean in the end: `hold` is inconclusive: traffic "
        "goes back, and the release is not marked bad.",
    )
    checks: Checks = Field({}, description="Name -> check.")
    score: Score = Score()
    confidence: float = Field(
        0.99, gt=0.5, lt=1, description="Of `no worse than old`: how certain a difference must be."
    )
    request_log: bool | None = Field(
        None,
        description="Whether the router logs each request that it sends to an app service, in "
        "16 MB of its memory; default: when there are checks.",
    )

    @property
    def keeps_request_log(self) -> bool:
        """Whether the router is to log requests."""
        return bool(self.checks) if self.request_log is None else self.request_log
