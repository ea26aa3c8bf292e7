"""The shape of `towline.yaml`."""

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from towline.config.engine_kinds import require_kind
from towline.config.units import Duration, Size

Strategy = Literal["blue-green", "recreate"]
Raise = Literal["major", "minor", "patch", "none"]


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


class VersionPattern(Model):
    """A version file of any kind: the version stands where a pattern says."""

    file: str
    pattern: str = Field(
        description="Text around the version as it stands in the file, such as `release = "
        '"{version}"`; it must be found once.'
    )

    @field_validator("pattern")
    @classmethod
    def _has_a_place(cls, given: str) -> str:
        if given.count("{version}") != 1:
            raise ValueError("write {version} once, where the version stands")
        return given


VersionFile = str | VersionPattern


# Words of a prerelease by semver.org; one of digits alone would be its number.
_WORD = r"[0-9A-Za-z-]*[A-Za-z-][0-9A-Za-z-]*"
_LABEL = re.compile(rf"{_WORD}(?:\.{_WORD})*", re.ASCII)


class Versions(Model):
    """How commits become versions, tags and a changelog."""

    tag: str = Field("v{version}", description="Form of the tags; `shop-v{version}` for a part.")
    files: list[VersionFile] = Field(
        [],
        description="Files with the version, from the root; default: promote.version_files.",
    )
    paths: list[str] = Field(
        [], description="Only commits that touch these paths count; default: the source tree."
    )
    types: dict[str, Raise] = Field(
        {},
        description="Commit type -> the part it raises; over feat minor, fix, perf, revert patch.",
    )
    breaking: Raise = Field("major", description="The part that a breaking change raises.")
    other: Raise = Field(
        "none", description="The part that a commit without a conventional message raises."
    )
    zero: dict[Literal["major", "minor"], Raise] = Field(
        {},
        description="Below 1.0.0: what is raised instead, such as `{major: minor, minor: patch}`.",
    )
    squash: bool = Field(True, description="Count the commits that a squash commit lists.")
    channels: dict[str, str] = Field(
        {},
        description="Branch (or pattern) -> label of its prereleases, such as `rc`; empty: final.",
    )
    first: str = Field("", description="Version of the first release, where nothing else tells.")
    ignore_tags: list[str] = Field([], description="Patterns of tags that are no versions.")
    changelog: str = Field("CHANGELOG.md", description="The changelog, from the root.")
    sections: dict[str, str] = Field(
        {},
        description="Commit type -> heading in the changelog; empty: left out. Over feat Added, "
        "fix Fixed, perf Changed, revert Removed, security Security, deprecate Deprecated.",
    )
    url: str = Field("", description="Web address of the repository; default: from its remote.")

    @field_validator("tag")
    @classmethod
    def _is_a_form(cls, given: str) -> str:
        if given.count("{version}") != 1:
            raise ValueError("write {version} once, such as v{version}")
        return given

    @field_validator("channels")
    @classmethod
    def _labels_make_versions(cls, given: dict[str, str]) -> dict[str, str]:
        for branch, label in given.items():
            if label and not _LABEL.fullmatch(label):
                likely = re.sub(r"[^0-9A-Za-z]+", "-", label).strip("-")
                likely = likely if _LABEL.fullmatch(likely) else f"rc-{likely}".rstrip("-")
                raise ValueError(
                    f"{branch}: the label {label!r} makes no semantic version: write letters, "
                    f"digits and hyphens, and no number alone, such as {likely}"
                )
        return given


class Promotion(Model):
    """How the source tree becomes the deploy tree."""

    test: Command = Field([], description="Command that must pass first; runs in the source tree.")
    copy_: dict[str, str] = Field(
        {"src": "src"},
        alias="copy",
        description="What to copy: path in the source tree -> path in the deploy tree.",
    )
    include: list[str] = Field(
        [], description="If given, only what these patterns (gitignore syntax) match is copied."
    )
    exclude: list[str] = Field(
        ["__pycache__/", "*.pyc", ".pytest_cache/", ".env", ".env.*", "!.env.example"],
        description="What stays behind, in gitignore syntax.",
    )
    version_files: list[VersionFile] = Field(
        [],
        description="Files in the source tree with the version: pyproject.toml, package.json, "
        "Chart.yaml, a Python module with __version__, a plain VERSION file, or a pattern.",
    )
    migrations: list[str] = Field(
        [],
        description="Globs in the deploy tree; these files tell which schema a release knows.",
    )
    requirements: str = Field(
        "",
        description="Requirements of the source tree (requirements.in, requirements.txt, "
        "pyproject.toml) to lock with hashes in generated/requirements.txt.",
    )
    pin_images: bool = Field(
        False, description="Record the digest of each image that a registry or the engine knows."
    )
    commit: bool = Field(True, description="Commit the promoted tree.")
    remote: str = Field("origin", description="Git remote that --push and --pr use.")
    base: str = Field("", description="Branch of pull requests; default: the remote's own.")


class HttpSmoke(Model):
    """One request that must be answered as expected."""

    path: str
    status: int = 200
    within: Duration = Field(2.0, description="Limit of the response time.")
    contains: str = Field("", description="Text that the body must contain.")
    headers: dict[str, str] = Field(
        {}, description="Headers of the request, such as `Host` for virtual hosts."
    )


class WebSocketSmoke(Model):
    """One WebSocket conversation: connect, send, expect an answer."""

    path: str
    send: str = ""
    expect: str = ""
    within: Duration = 2.0
    headers: dict[str, str] = Field({}, description="Headers of the handshake, such as `Host`.")


class Smoke(Model):
    """What must work before a release gets traffic."""

    requests: list[HttpSmoke] = []
    websockets: list[WebSocketSmoke] = []
    command: Command = Field(
        [], description="Optional test command; finds the address in TOWLINE_BASE_URL."
    )
    retries: int = Field(2, ge=0, description="How often a failed request is tried again.")
    command_timeout: Duration = 120.0


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
    """How a release reaches traffic, and what is kept."""

    strategy: Strategy = "blue-green"
    replicas: Replicas = Field(
        1,
        description="Containers of each app service, or of some services by name, such as "
        "`{web: 4, worker: 2}`; `x-towline: {replicas: …}` says it where no name does.",
    )
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
    job_timeout: Duration = Field(
        1800.0,
        description="How long a job, such as a migration, may take before it is stopped; "
        "`x-towline: {timeout: …}` of a job wins.",
    )
    reconnect: Duration = Field(
        60.0, description="How long a lost host is waited for before the others go back alone."
    )
    keep: int = Field(3, ge=1, description="Releases kept for rollback.")
    hosts_at_once: int = Field(
        0, ge=0, description="Hosts that are changed at the same time; 0 for all."
    )
    parallel: int = Field(10, ge=1, description="Hosts that Towline talks to at the same time.")


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


class Environment(Model):
    """A named place to deploy to; its settings win over the general ones."""

    url: str = Field("", description="Where users reach the service; smoke tests run there too.")
    env_file: str = Field(
        "", description="Variables and secrets; default: config/ENV.env or .env.ENV, then .env."
    )
    hosts: list[str] = Field(
        [], description="Hosts, such as ssh://deploy@10.0.0.5; default: this machine."
    )
    ssh_config: str = Field("", description="SSH configuration; default: the user's own.")
    sudo: bool = Field(False, description="Run commands on the hosts by `sudo -n`.")
    engine: str = Field("", description="What runs its containers; default: `engine` above.")
    images: Literal["registry", "ssh"] = Field(
        "registry",
        description="How images reach the hosts: from their registries, or all of them from this "
        "machine, over SSH.",
    )
    state: str = Field("", description="State folder; default: below TOWLINE_STATE.")
    insecure: bool = Field(
        False, description="Accept a certificate at `url` that cannot be verified (self-signed)."
    )
    confirm: bool = Field(False, description="Ask before a deploy; workflows pass --yes.")
    rollout: dict[str, Any] = Field({}, description="Rollout settings that differ here.")

    @field_validator("engine")
    @classmethod
    def _is_known(cls, given: str) -> str:
        return require_kind(given) if given else given

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
    engine: str = Field(
        "compose",
        description="What runs the containers: `compose`, or an engine that a package adds.",
    )
    compose: str = Field(
        "docker/docker-compose.prod.yml", description="Compose file, in the deploy tree."
    )
    versions: Versions = Versions()
    promote: Promotion = Promotion()
    smoke: Smoke = Smoke()
    rollout: Rollout = Rollout()
    checks: Checks = Checks()
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
    environments: dict[str, Environment] = {"local": Environment()}

    @field_validator("engine")
    @classmethod
    def _is_known(cls, given: str) -> str:
        return require_kind(given)

    @field_validator("environments")
    @classmethod
    def _have_plain_names(cls, given: dict[str, Environment]) -> dict[str, Environment]:
        """They are part of the names of Compose projects, folders and files."""
        for name in given:
            if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
                raise ValueError(
                    f"{name!r} is no name of an environment: write lower-case letters, digits, "
                    "- and _, and begin with a letter or digit"
                )
            if re.search(r"(^|[-_])(blue|green)$", name):
                raise ValueError(
                    f"{name!r} ends in the name of a slot; call the environment something else"
                )
        return given

    def engine_for(self, environment: str) -> str:
        """What runs the containers of one environment."""
        return self.environments[environment].engine or self.engine

    def rollout_for(self, environment: str) -> Rollout:
        """The general rollout settings with those of one environment over them."""
        own = self.environments[environment].rollout
        return Rollout(**{**self.rollout.model_dump(), **own})
