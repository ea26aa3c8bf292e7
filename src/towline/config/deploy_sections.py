"""The sections of `towline.yaml` that may differ between environments."""

import posixpath
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator

from towline.config.analysis_section import Analysis
from towline.config.engine_kinds import require_kind
from towline.config.guard_section import Guard
from towline.config.http_request import HttpRequest
from towline.config.model import Command, Model
from towline.config.progressive import Canary, Rolling
from towline.config.units import Duration, Size
from towline.discovery import module_names


def strategy_names() -> list[str]:
    """The strategies that there are: each is a module, found by its name."""
    return [name.replace("_", "-") for name in module_names("towline.rollout.strategies")]


def _known_strategy(given: str) -> str:
    if given not in strategy_names():
        raise ValueError(f"unknown strategy {given!r}; known: {', '.join(strategy_names())}")
    return given


Strategy = Annotated[
    str,
    AfterValidator(_known_strategy),
    WithJsonSchema({"type": "string", "enum": strategy_names()}),
]


class HttpSmoke(HttpRequest):
    """One request that must be answered as expected."""

    path: str
    timeout: Duration = Field(2.0, description="How long the answer may take.")
    service: str = Field(
        "", description="The app service that is asked before the switch; the first when empty."
    )


class WebSocketSmoke(Model):
    """One WebSocket conversation: connect, send, expect an answer."""

    path: str
    send: str = ""
    expect: str = ""
    host: str = Field("", description="Host header of the handshake, for virtual hosts.")
    service: str = Field(
        "", description="The app service that is asked before the switch; the first when empty."
    )
    timeout: Duration = Field(2.0, description="How long the conversation may take.")
    headers: dict[str, str] = Field({}, description="Headers of the handshake, such as `Host`.")


class Smoke(Model):
    """What must work before a release gets traffic."""

    requests: list[HttpSmoke] = Field([])
    websockets: list[WebSocketSmoke] = Field([])
    command: Command = Field(
        [], description="Optional test command; finds the address in TOWLINE_BASE_URL."
    )
    retries: int = Field(2, ge=0, description="How often a failed request is tried again.")
    command_timeout: Duration = 120.0
    after: bool | None = Field(
        None,
        description="Run them once more after the switch, where users reach the service, and roll "
        "back when one fails: `true` requires that (the command too), `false` switches it off; "
        "else the requests and WebSockets run where the environment has a `url`.",
    )


def _counts(value: object) -> object:
    counts = list(value.values()) if isinstance(value, dict) else [value]
    if all(re.fullmatch(r"[1-9]\d*", str(count)) for count in counts):
        return value
    raise ValueError("write a number above 0, or one for each service, such as {web: 4}")


_Count = Annotated[int, Field(ge=1)]
Replicas = Annotated[
    _Count | dict[str, _Count],
    BeforeValidator(_counts, json_schema_input_type=_Count | dict[str, _Count]),
]


class Rollout(Model):
    """How a release reaches traffic, and what is retained."""

    strategy: Strategy = "blue-green"
    canary: Canary = Canary()
    rolling: Rolling = Rolling()
    replicas: Replicas = Field(
        1,
        description="Containers of each app service, or of some services by name, such as "
        "`{web: 4, worker: 2}`; `x-towline: {replicas: …}` says it where no name does.",
    )
    health_timeout: Duration = Field(
        60.0, description="How long a new release may take to be healthy."
    )
    bake_time: Duration = Field(
        5.0,
        description="How long the new release is watched under traffic.",
    )
    max_failures: int = Field(
        2, ge=0, description="Failed probes in a row that are tolerated during the bake time."
    )
    drain: Duration = Field(
        30.0, description="How long the old release may finish open requests and WebSockets."
    )
    job_timeout: Duration = Field(
        1800.0,
        description="How long a job, such as a migration, may take before it is stopped; "
        "`x-towline: {timeout: …}` of a job wins.",
    )
    max_downtime: Duration | None = Field(
        None,
        description="Refuse a strategy that may take the service down for longer; `recreate` does "
        "so for `health_timeout`, twice if it has to go back. Without it, any.",
    )
    reconnect: Duration = Field(
        60.0,
        description="How long a lost host is waited for before the others roll back without it.",
    )
    keep: int = Field(3, ge=1, description="Releases retained for rollback.")
    batch_size: int = Field(
        0, ge=0, description="Hosts that are changed at the same time; 0 for all."
    )
    concurrency: int = Field(10, ge=1, description="Hosts that Towline talks to at the same time.")


class Checks(Model):
    """Limits of the pre-deploy check."""

    disk_free: Size = Field(2 * 10**9, description="Free space wanted where images and state live.")
    certificate_days: int = Field(14, ge=0, description="Warn when a certificate expires sooner.")


class Registry(Model):
    """How to log in to a registry of images."""

    username: str
    password: str = Field(
        pattern=r"^[A-Za-z_]\w*$",
        description="Name of the variable that holds the password or token; never the value.",
    )


def _one_or_several(value: object) -> object:
    if not isinstance(value, str | list):
        raise ValueError("write a file, or a list of files")  # noqa: TRY004 - as pydantic wants it
    return [value] if isinstance(value, str) else value


def _inside_the_tree(files: list[str]) -> list[str]:
    # What lies elsewhere is not promoted, so no retained release would hold it.
    for file in files:
        if posixpath.isabs(file) or posixpath.normpath(file).split("/")[0] in ("..", "."):
            raise ValueError(
                f"{file!r} is no file in the deploy tree: write a path relative to it, without `..`"
            )
    return files


ComposeFiles = Annotated[
    list[str],
    BeforeValidator(_one_or_several, json_schema_input_type=list[str] | str),
    AfterValidator(_inside_the_tree),
    Field(min_length=1),
]


class Overridable(Model):
    """What may be written at the top, for all environments, and again inside one of them."""

    engine: str = Field(
        "compose",
        description="What runs the containers: `compose`, or an engine that a package adds.",
    )
    compose: ComposeFiles = Field(
        ["docker/docker-compose.prod.yml"],
        description="Compose file, in the deploy tree; or a list: a base, then its overrides.",
    )
    smoke: Smoke = Smoke.model_construct()
    rollout: Rollout = Rollout.model_construct()
    checks: Checks = Checks.model_construct()
    analysis: Analysis = Analysis.model_construct()
    guard: Guard = Guard.model_construct()
    registries: dict[str, Registry] = Field(
        {},
        description="Registry -> how to log in. Images that are built here under the name of one "
        "of these are pushed to it; the hosts pull them by digest.",
    )
    secrets: list[str] = Field(
        [],
        description="Names of variables that are secrets, where the name does not say so; their "
        "values are masked in all output.",
    )

    @field_validator("engine")
    @classmethod
    def _is_known(cls, given: str) -> str:
        return require_kind(given)
