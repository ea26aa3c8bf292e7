"""The Compose file of a deploy tree, resolved by Compose itself into plain data.

`docker compose config` knows every feature of the file: variables, env files, anchors,
includes, profiles. Towline works on what it prints and re-implements none of it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from towline import scratch
from towline.config.envfile import write_env
from towline.config.mistakes import describe
from towline.config.redaction import KNOWN
from towline.config.services import Role, Service, service_settings
from towline.engines.compose.secret_files import learn_secrets
from towline.engines.world import COLOURS
from towline.errors import UsageError
from towline.hosts.base import Host
from towline.routing import nginx

# Stands for the colour while a file is resolved; a release does not know its colour yet.
COLOUR = "towline-colour-of-this-slot"

REPLACED = (Role.APP, Role.WORKER, Role.JOB)
KEPT = (Role.BACKING, Role.ROUTER)

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNSET = re.compile(r'The \\?"(?P<name>\w+)\\?" variable is not set')


@dataclass(frozen=True)
class Stack:
    """A resolved Compose file.

    Attributes:
        model: The file as data, with every variable filled in; it holds secrets.
        services: The `x-towline` settings of each service.
        unset: Variables that the file names and nothing gives a value to.
    """

    model: dict[str, Any]
    services: Mapping[str, Service]
    unset: tuple[str, ...] = field(default=())

    def named(self, *roles: Role) -> list[str]:
        """Sorted names of the services that have one of these roles."""
        return sorted(name for name, service in self.services.items() if service.role in roles)

    def definition(self, service: str) -> dict[str, Any]:
        """The resolved definition of one service."""
        found: dict[str, Any] = self.model["services"][service]
        return found

    @property
    def router(self) -> str | None:
        """The name of the router service, if the file has one."""
        return next(iter(self.named(Role.ROUTER)), None)

    def built(self) -> dict[str, str]:
        """Services with a `build` section -> the image name they are built as."""
        return {
            name: str(definition.get("image") or f"{self.model['name']}-{name}")
            for name, definition in self.model["services"].items()
            if definition.get("build")
        }


def resolve(
    host: Host,
    compose_files: Sequence[Path],
    *,
    project: str,
    values: Mapping[str, str],
    own: Mapping[str, str],
) -> Stack:
    """Resolve the Compose files of an environment, as Compose puts them together.

    Args:
        host: Where `docker compose` runs; no engine is needed.
        compose_files: Files in the deploy tree: the base, then what goes over it.
        project: Compose project name.
        values: The environment's variables and secrets.
        own: Towline's variables (`TOWLINE_VERSION` and so on).

    Raises:
        UsageError: When a file is missing or Compose refuses it, or when an `x-towline`
            section is wrong.
    """
    lost = next((file for file in compose_files if not file.is_file()), None)
    if lost:
        raise UsageError(
            f"{lost} does not exist",
            remedy="create it, or name yours: `compose` in towline.yaml, a path in the deploy tree",
        )
    where = ", ".join(map(str, compose_files))
    with scratch.folder() as folder:
        env_file = folder / "env"
        env_file.touch(mode=0o600)
        env_file.write_text(write_env(values), encoding="utf-8")
        argv = ["docker", "compose", "--project-name", project]
        for profile in filter(None, values.get("COMPOSE_PROFILES", "").split(",")):
            argv += ["--profile", profile]
        argv += ["--env-file", str(env_file)]
        argv += [word for file in compose_files for word in ("--file", str(file))]
        argv.append("config")
        environment = {**own, "TOWLINE_COLOUR": COLOUR, "TOWLINE_ENV_FILE": str(env_file)}
        result = host.run(argv, env=environment, timeout=60)
    if not result.ok:
        options = " ".join(f"-f {file}" for file in compose_files)
        raise UsageError(
            f"{where}: Compose does not accept it: {_reason(result.err)}",
            remedy=f"fix the file; `docker compose {options} config` shows the same",
        )
    model = yaml.load(result.out, Loader=_LOADER)  # noqa: S506 - a safe one
    KNOWN.publish(model.get("services") or {})
    learn_secrets(model, values)
    unset = dict.fromkeys(match["name"] for match in _UNSET.finditer(result.err))
    return Stack(model, _services(where, model), tuple(unset))


def _services(where: str, model: dict[str, Any]) -> dict[str, Service]:
    services = {}
    for name, definition in (model.get("services") or {}).items():
        try:
            services[name] = service_settings(definition)
        except ValidationError as error:
            said = describe(error.errors()[0], Service)
            raise UsageError(
                f"{where}: service {name}, x-towline: {said}",
                remedy="docs/configuration.md lists the keys of x-towline",
            ) from None
    routers = [name for name, service in services.items() if service.role is Role.ROUTER]
    if len(routers) > 1:
        raise UsageError(
            f"{where}: more than one router: {', '.join(routers)}",
            remedy="give `role: router` to the one that users reach",
        )
    for name, service in services.items():
        if service.role is Role.APP and routers and service.port is None:
            raise UsageError(
                f"{where}: service {name} has role app but no port",
                remedy="add `port: NUMBER` to its x-towline section",
            )
    _require_plain_names(where, services)
    return services


def _require_plain_names(where: str, services: Mapping[str, Service]) -> None:
    """Names that are made from the names of services must not meet."""
    remedy = "rename it in the compose file"
    if any(service.role is Role.ROUTER for service in services.values()):
        try:
            apps = (name for name, service in services.items() if service.role is Role.APP)
            nginx.require_variables(apps)
        except ValueError as error:
            raise UsageError(f"{where}: {error}", remedy=remedy) from None
    for name, service in services.items():
        slot, _, rest = name.partition("-")
        beside = services.get(rest)
        if service.role in KEPT and slot in COLOURS and beside and beside.role in REPLACED:
            raise UsageError(
                f"{where}: containers of service {name} would have the names of those of "
                f"service {rest} in slot {slot}",
                remedy=remedy,
            )


def _reason(stderr: str) -> str:
    lines = [line for line in stderr.strip().splitlines() if not line.startswith("time=")]
    # Masked before it is cut: a half of a secret is not recognised.
    return " ".join(lines[-3:]) or KNOWN.redact(stderr).strip()[-300:]
