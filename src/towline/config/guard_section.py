"""The section `guard`: what the guard watches after a deploy, and what it does."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from towline.config.model import Model
from towline.config.units import Duration

OnTrigger = Literal["rollback", "hold", "notify"]


def _parse_share(value: object) -> object:
    """A share of one from `10%`, or from a number between 0 and 1."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", str(value).strip())
    share = float(match[1]) / 100 if match else value
    if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share < 1:
        return float(share)
    raise ValueError(f"{value!r} is no share: write a percentage below 100%, such as 10%")


Share = Annotated[float, BeforeValidator(_parse_share, json_schema_input_type=float | str)]


class TriggerSettings(Model):
    """What every trigger can be told."""

    on_trigger: OnTrigger | None = Field(
        None, description="What the guard does when it fires; default: `guard.on_trigger`."
    )


class HealthTrigger(TriggerSettings):
    """The app containers of the live release fail their health probes, round after round."""

    failures: int = Field(
        3, ge=0, description="Failed rounds in a row that are tolerated; one more fires."
    )


class ServiceDownTrigger(TriggerSettings):
    """A service of the live release does not run, or restarts again and again."""

    for_: Duration = Field(30.0, alias="for", description="How long it may be down.")
    services: list[str] = Field(
        [], description="The critical services; default: all but jobs, the router included."
    )


class DatabaseTrigger(TriggerSettings):
    """A backing service fails its own probe or health check, round after round."""

    failures: int = Field(
        3, ge=0, description="Failed rounds in a row that are tolerated; one more fires."
    )
    services: list[str] = Field([], description="Which backing services; default: all.")


class ErrorsTrigger(TriggerSettings):
    """Too many requests that the live release answers fail; needs `analysis.request_log`."""

    above: Share = Field(0.1, description="Share of answers with 5xx that is tolerated.")
    for_: Duration = Field(300.0, alias="for", gt=0, description="How long it must be higher.")
    minimum: int = Field(
        20, ge=1, description="Requests in that time below which nothing can be told."
    )


class ChecksTrigger(TriggerSettings):
    """A check of `analysis` fails again and again; those that compare releases are not asked."""

    failures: int = Field(3, ge=0, description="Failures in a row that are tolerated.")
    window: Duration = Field(300.0, gt=0, description="The time that each figure is about.")


def _switched(value: Any) -> Any:
    """`false` switches a trigger off, `true` leaves its defaults."""
    return {False: None, True: {}}[value] if isinstance(value, bool) else value


class Triggers(Model):
    """What the guard looks for; `false` switches one off."""

    health: Annotated[
        HealthTrigger | None,
        BeforeValidator(_switched, json_schema_input_type=HealthTrigger | bool),
    ] = HealthTrigger()
    service_down: Annotated[
        ServiceDownTrigger | None,
        BeforeValidator(_switched, json_schema_input_type=ServiceDownTrigger | bool),
    ] = ServiceDownTrigger()
    database: Annotated[
        DatabaseTrigger | None,
        BeforeValidator(_switched, json_schema_input_type=DatabaseTrigger | bool),
    ] = DatabaseTrigger()
    errors: Annotated[
        ErrorsTrigger | None,
        BeforeValidator(_switched, json_schema_input_type=ErrorsTrigger | bool),
    ] = ErrorsTrigger()
    checks: Annotated[
        ChecksTrigger | None,
        BeforeValidator(_switched, json_schema_input_type=ChecksTrigger | bool),
    ] = ChecksTrigger()


class Guard(Model):
    """Who watches the live release after a deploy, and what happens when a trigger fires."""

    interval: Duration = Field(5.0, gt=0, description="How often the guard looks.")
    on_trigger: OnTrigger = Field(
        "rollback",
        description="What it does when a trigger fires: roll back, hold deploys, or only notify.",
    )
    triggers: Triggers = Triggers()
    max_rollbacks: int = Field(
        1, ge=0, description="How often it rolls back within `window`; then it holds."
    )
    window: Duration = Field(
        86400.0,
        description="How long a release is new: one that has been live for longer is not rolled "
        "back by the guard.",
    )
    after_deploy: bool = Field(
        False,
        description="Start a guard on this machine after each deploy of an environment that runs "
        "on it, unless one watches.",
    )
    keep_schema: bool = Field(
        False,
        description="Roll back although the database's schema changed, or nobody knows whether it "
        "did; like `inv rollback --keep-schema`.",
    )
