"""The shape of `towline.yaml`."""

import re
from typing import Literal

from pydantic import Field, field_validator

from towline.config.deploy_sections import Overridable
from towline.config.model import Model
from towline.config.release_sections import Promotion, Versions


class Environment(Overridable):
    """A named place to deploy to, with every setting that is in force there."""

    url: str = Field("", description="Where users reach the service; smoke tests run there too.")
    after: str = Field(
        "", description="The environment before this one, such as staging; listings keep the order."
    )
    env_file: str = Field(
        "", description="Variables and secrets; default: config/ENV.env or .env.ENV, then .env."
    )
    hosts: list[str] = Field(
        [], description="Hosts, such as ssh://deploy@10.0.0.5; default: this machine."
    )
    ssh_config: str = Field("", description="SSH configuration; default: the user's own.")
    sudo: bool = Field(False, description="Run commands on the hosts by `sudo -n`.")
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


class Settings(Model):
    """What is the same in all environments, and the environments, each with all its settings."""

    project: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the project.")
    source: str = Field(".", description="Source tree: the folder developers work in.")
    deploy: str = Field("deploy", description="Deploy tree: the only input of a deploy.")
    versions: Versions = Versions.model_construct()
    promote: Promotion = Promotion.model_construct()
    environments: dict[str, Environment] = Field(
        {"local": Environment.model_construct()}, min_length=1
    )

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


class TowlineFile(Overridable, Settings):
    """The whole of `towline.yaml`, as it is written."""
