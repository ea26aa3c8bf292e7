"""The probes of a service: each kind has a section of its own; `health/kinds/` asks them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from towline.config.http_request import HttpRequest
from towline.config.model import Command, Model
from towline.config.units import Duration

KIND = "kind:"
"""Before the name of a kind, in the places that pydantic tells."""
_PORT = Field(
    None, ge=1, le=65535, description="Port in the container; default: the service's `port`."
)


class _Timing(Model):
    timeout: Duration = Field(2.0, gt=0, description="How long one answer may take.")
    interval: Duration | None = Field(
        None, description="Time between two answers while a deploy waits for it or watches it."
    )
    start_period: Duration = Field(
        0.0,
        description="How long it may take to start: until then no answer counts as a failure, and "
        "`rollout.health_timeout` begins after it. A process that dies is a failure at once.",
    )


class HttpProbe(_Timing, HttpRequest):
    """A request over HTTP."""

    kind: Literal["http"] = "http"
    port: int | None = _PORT


class TcpProbe(_Timing):
    """A connection that is accepted and stays open."""

    kind: Literal["tcp"]
    port: int | None = _PORT
    send: str = Field("", description="Text that is sent once connected.")
    expect: str = Field("", description="Text that must come back, such as a greeting.")


class WebSocketProbe(_Timing):
    """A WebSocket that opens, and answers where it is asked to."""

    kind: Literal["websocket"]
    path: str = Field("/", pattern="^/")
    port: int | None = _PORT
    host: str = Field("", description="Host header of the handshake.")
    headers: dict[str, str] = Field({}, description="Headers of the handshake.")
    send: str = Field("", description="Text that is sent once it is open.")
    expect: str = Field("", description="Text that the answer must contain.")


class PostgresProbe(_Timing):
    """A query that psql runs in the container, and the time that the server takes for it."""

    kind: Literal["postgres"]
    query: str = Field("select 1", min_length=1, description="The query.")
    max_time: Duration = Field(0.5, gt=0, description="How long the query may take.")
    user: str = Field("", description="Default: `POSTGRES_USER` of the container.")
    database: str = Field("", description="Default: `POSTGRES_DB` of the container.")
    timeout: Duration = Field(5.0, gt=0, description="How long psql may take altogether.")
    interval: Duration | None = Field(1.0, description="As for `http`.")


class RedisProbe(_Timing):
    """`PING` and `ROLE`; a replica must be connected to its master."""

    kind: Literal["redis"]
    port: int | None = Field(6379, ge=1, le=65535, description="Port in the container.")
    password: str = Field(
        "",
        pattern=r"^([A-Za-z_]\w*)?$",
        description="Name of the container's variable that holds the password; never the value. "
        "When empty, those that are usual.",
    )
    role: Literal["", "master", "replica"] = Field("", description="The role that it must have.")
    max_time: Duration = Field(0.5, gt=0, description="How long the answer to `PING` may take.")


class PrometheusProbe(_Timing):
    """Ready; `inv health-check` also asks whether its targets are up."""

    kind: Literal["prometheus"]
    port: int | None = Field(9090, ge=1, le=65535, description="Port in the container.")
    prefix: str = Field(
        "", pattern="^(/.*[^/])?$", description="Path before its own, as in `--web.route-prefix`."
    )
    targets: bool = Field(
        True,
        description="Whether `inv health-check` fails when a target is down. A deploy never does: "
        "it may be what repairs it.",
    )


class GrafanaProbe(_Timing):
    """It answers, and has its database."""

    kind: Literal["grafana"]
    port: int | None = Field(3000, ge=1, le=65535, description="Port in the container.")
    prefix: str = Field("", pattern="^(/.*[^/])?$", description="Path before its own.")


class CommandProbe(_Timing):
    """A command that is run in the container and exits 0; it changes nothing."""

    kind: Literal["command"]
    command: Command = Field(min_length=1, description="Its words; no shell runs it.")
    contains: str = Field("", description="Text that it must print.")
    timeout: Duration = Field(5.0, gt=0, description="How long it may take.")
    interval: Duration | None = Field(1.0, description="As for `http`.")


AnyProbe = (
    HttpProbe
    | TcpProbe
    | WebSocketProbe
    | PostgresProbe
    | RedisProbe
    | PrometheusProbe
    | GrafanaProbe
    | CommandProbe
)
KINDS = ("http", "tcp", "websocket", "postgres", "redis", "prometheus", "grafana", "command")


def _probe(value: object) -> object:
    if isinstance(value, str):
        return {"path": value}
    if not isinstance(value, dict):
        return value
    kind = value.get("kind", "http")
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    return value


def _tag(value: Any) -> str:
    kind = value.get("kind", "http") if isinstance(value, dict) else getattr(value, "kind", "http")
    return f"{KIND}{kind}"


_Tagged = Annotated[
    Annotated[HttpProbe, Tag(f"{KIND}http")]
    | Annotated[TcpProbe, Tag(f"{KIND}tcp")]
    | Annotated[WebSocketProbe, Tag(f"{KIND}websocket")]
    | Annotated[PostgresProbe, Tag(f"{KIND}postgres")]
    | Annotated[RedisProbe, Tag(f"{KIND}redis")]
    | Annotated[PrometheusProbe, Tag(f"{KIND}prometheus")]
    | Annotated[GrafanaProbe, Tag(f"{KIND}grafana")]
    | Annotated[CommandProbe, Tag(f"{KIND}command")],
    Discriminator(_tag),
]
Probe = Annotated[_Tagged, BeforeValidator(_probe, json_schema_input_type=_Tagged | str)]
