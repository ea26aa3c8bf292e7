"""The shape of `towline.yaml`."""

import difflib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from towline.config.units import Duration, Size

Strategy = Literal["blue-green", "recreate"]


def _words(value: object) -> object:
    """Let a command be written as one line; it is split, never handed to a shell."""
    if isinstance(value, str):
        import shlex

        return shlex.split(value)
    return value


Command = Annotated[list[str], BeforeValidator(_words, json_schema_input_type=list[str] | str)]


class Model(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Promotion(Model):
    """How the source tree becomes the deploy tree."""

    test: Command = Field([], description="Command that must pass first; runs in the source tree.")
    copy_: dict[str, str] = Field(
        {"src": "src"},
        alias="copy",
        description="What to copy: path in the source tree -> path in the deploy tree.",
    )
    exclude: list[str] = Field(
        ["__pycache__/", "*.pyc", ".pytest_cache/", ".env", ".env.*", "!.env.example"],
        description="What stays behind, in gitignore syntax.",
    )
    version_files: list[str] = Field(
        [],
        description="Files in the source tree with the version: pyproject.toml, package.json, "
        "a Python module with __version__, or a plain VERSION file.",
    )
    migrations: list[str] = Field(
        [],
        description="Globs in the deploy tree; their file names tell which schema a release has.",
    )
    commit: bool = Field(True, description="Commit the promoted tree.")


class HttpSmoke(Model):
    """One request that must be answered as expected."""

    path: str
    status: int = 200
    within: Duration = Field(2.0, description="Limit of the response time.")
    contains: str = Field("", description="Text that the body must contain.")


class WebSocketSmoke(Model):
    """One WebSocket conversation: connect, send, expect an answer."""

    path: str
    send: str = ""
    expect: str = ""
    within: Duration = 2.0


class Smoke(Model):
    """What must work before a release gets traffic."""

    requests: list[HttpSmoke] = []
    websockets: list[WebSocketSmoke] = []
    command: Command = Field(
        [], description="Optional test command; finds the address in TOWLINE_BASE_URL."
    )
    retries: int = Field(2, ge=0, description="How often a failed request is tried again.")
    command_timeout: Duration = 120.0


class Rollout(Model):
    """How a release reaches traffic, and what is kept."""

    strategy: Strategy = "blue-green"
    replicas: int = Field(1, ge=1, description="Containers of each app service.")
    health_timeout: Duration = Field(
        60.0, description="How long a new release may take to be healthy."
    )
    watch: Duration = Field(5.0, description="How long the new release is watched under traffic.")
    max_failures: int = Field(
        2, ge=0, description="Failed probes in a row that are forgiven while watching."
    )
    drain: Duration = Field(
        30.0, description="How long the old release may finish open requests and WebSockets."
    )
    keep: int = Field(3, ge=1, description="Releases kept for rollback.")


class Checks(Model):
    """Limits of the pre-deploy check."""

    disk_free: Size = Field(2 * 10**9, description="Free space wanted where images and state live.")
    certificate_days: int = Field(14, ge=0, description="Warn when a certificate expires sooner.")


class Environment(Model):
    """A named place to deploy to; its settings win over the general ones."""

    url: str = Field("", description="Where users reach the service; smoke tests run there too.")
    env_file: str = Field(
        "", description="Variables and secrets; default: config/ENV.env or .env.ENV, then .env."
    )
    state: str = Field("", description="State folder; default: below TOWLINE_STATE.")
    insecure: bool = Field(
        False, description="Accept a certificate at `url` that cannot be verified (self-signed)."
    )
    confirm: bool = Field(False, description="Ask before a deploy; workflows pass --yes.")
    rollout: dict[str, Any] = Field({}, description="Rollout settings that differ here.")

    @field_validator("rollout")
    @classmethod
    def _is_a_part_of_rollout(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Keep what was written and no defaults: it goes over the general settings."""
        for key in given:
            if key not in Rollout.model_fields:
                known = difflib.get_close_matches(key, Rollout.model_fields, n=1, cutoff=0.5)
                hint = f"; did you mean `{known[0]}`?" if known else ""
                raise ValueError(f"unknown key `{key}`{hint}")
        Rollout(**given)
        return given


class Settings(Model):
    """The whole of `towline.yaml`."""

    project: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the project.")
    source: str = Field(".", description="Source tree: the folder developers work in.")
    deploy: str = Field("deploy", description="Deploy tree: the only input of a deploy.")
    compose: str = Field(
        "docker/docker-compose.prod.yml", description="Compose file, in the deploy tree."
    )
    promote: Promotion = Promotion()
    smoke: Smoke = Smoke()
    rollout: Rollout = Rollout()
    checks: Checks = Checks()
    environments: dict[str, Environment] = {"local": Environment()}

    def rollout_for(self, environment: str) -> Rollout:
        """The general rollout settings with those of one environment over them."""
        own = self.environments[environment].rollout
        return Rollout(**{**self.rollout.model_dump(), **own})
