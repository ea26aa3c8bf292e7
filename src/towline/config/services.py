"""The `x-towline` extension: what a Compose file cannot say about a service."""

from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from towline.config.deploy_sections import Replicas
from towline.config.model import Model
from towline.config.probes import Probe
from towline.config.units import Duration


class Role(StrEnum):
    """What a service is to a deploy; DESIGN.md's table of service roles."""

    APP = "app"
    WORKER = "worker"
    JOB = "job"
    BACKING = "backing"
    ROUTER = "router"


# What may have several containers in a slot.
SCALED = (Role.APP, Role.WORKER)


class Service(Model):
    """The `x-towline` section of one service.

    Attributes:
        role: How a deploy treats the service.
        port: Container port that the router sends traffic to (apps) or that is probed.
        health: HTTP path, or a probe. Without one, the container's own healthcheck decides.
        drain: Seconds that open requests may take when the service is replaced; the
            environment's `rollout.drain` when not given.
        overlap: For workers: two versions may run at once.
        changes_schema: For jobs: it may change the database's schema, as migrations do.
        metrics: HTTP path of Prometheus metrics, on `port`; without one it is not scraped.
        timeout: For jobs: how long one may take; the environment's `rollout.job_timeout` when not
            given.
        replicas: For apps and workers: how many containers; `rollout.replicas` wins where it names
            the service. Without one, an app has the number of `rollout.replicas`, and a worker what
            Compose says.
        reload: For backing services: the signal that makes it read changed configuration
            files, such as `SIGHUP`; without one it is restarted.
    """

    role: Role = Role.BACKING
    port: int | None = Field(None, ge=1, le=65535)
    health: Probe | None = None
    drain: Duration | None = None
    overlap: bool = False
    timeout: Duration | None = None
    changes_schema: bool = True
    metrics: str = Field("", pattern=r"^(/.*)?$")
    reload: str = Field("", pattern=r"^(SIG[A-Z0-9]+)?$")
    replicas: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _has_replicas(self) -> Self:
        if self.replicas and self.role not in SCALED:
            raise ValueError("`replicas` is for roles app and worker")
        return self


def service_settings(definition: dict[str, Any]) -> Service:
    """Read the extension of one service of a resolved Compose file.

    Raises:
        pydantic.ValidationError: When the section has unknown keys or wrong values.
    """
    return Service.model_validate(definition.get("x-towline") or {})


def count_replicas(configured: Replicas, name: str, service: Service) -> int | None:
    """How many containers a service is to have in its slot; None where its Compose file decides.

    Args:
        configured: `rollout.replicas`.
        name: The service.
        service: Its `x-towline` section.
    """
    if service.role not in SCALED:
        return None
    if isinstance(configured, dict) and name in configured:
        return configured[name]
    if service.replicas or service.role is not Role.APP:
        return service.replicas
    return configured if isinstance(configured, int) else 1
