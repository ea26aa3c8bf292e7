"""The Compose file of a deploy tree, resolved by Compose itself into plain data.

`docker compose config` knows every feature of the file: variables, env files, anchors,
includes, profiles. Towline works on what it prints and re-implements none of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import ValidationError

from towline import scratch
from towline.config.compose_files import OLD_SLOT, SLOT, old_names, require_whole_extensions
from towline.config.envfile import write_env
from towline.config.mistakes import describe
from towline.config.redaction import KNOWN
from towline.config.services import Role, Service, service_settings
from towline.engines.bundle import PERSISTENT, REPLACED, Bundle, Mount, Source
from towline.engines.compose.secret_files import learn_secrets
from towline.engines.observed import SLOTS
from towline.errors import UsageError
from towline.routing import nginx

# Stands for the slot while a file is resolved; a release does not know its slot yet.
SLOT_PLACEHOLDER = "towline-colour-of-this-slot"
# What containers and Compose files learn it by; the second is the old name.
SLOT_VARIABLES = (SLOT, OLD_SLOT)

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNSET = re.compile(r'The \\?"(?P<name>\w+)\\?" variable is not set')


@dataclass(frozen=True)
class ComposeFile(Bundle):
    """A resolved Compose file.

    Attributes:
        model: The file as data, with every variable filled in; it holds secrets.
        old_names: Where variables are used by their old name, and what they are called now.
    """

    model: dict[str, Any] = field(default_factory=dict, repr=False)
    old_names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        model: dict[str, Any],
        services: Mapping[str, Service],
        tree: Path = Path(),
        unset: tuple[str, ...] = (),
    ) -> Self:
        """The description in a model.

        Args:
            model: The file as data.
            services: The `x-towline` settings of each service.
            tree: The deploy tree.
            unset: Variables that the file names and nothing gives a value to.
        """
        defined = model.get("services") or {}
        built = {
            name: str(definition.get("image") or f"{model['name']}-{name}")
            for name, definition in defined.items()
            if definition.get("build")
        }
        images = {
            name: str(definition.get("image") or built.get(name, ""))
            for name, definition in defined.items()
        }
        mounts = {name: tuple(_mounts(model, name)) for name in defined}
        return cls(services, images, built, mounts, tree, unset, model)

    def definition(self, service: str) -> dict[str, Any]:
        """The resolved definition of one service."""
        found: dict[str, Any] = self.model["services"][service]
        return found


def own_part(bundle: Bundle) -> ComposeFile:
    """A description that this engine made."""
    assert isinstance(bundle, ComposeFile)  # noqa: S101 - an engine is given what it described
    return bundle


def resolve(source: Source, *, project: str, own: Mapping[str, str]) -> ComposeFile:
    """Resolve the Compose files of an environment, as Compose puts them together.

    Args:
        source: The files, and what they are filled in with; no engine is needed.
        project: Compose project name.
        own: Towline's variables (`TOWLINE_VERSION` and so on).

    Raises:
        UsageError: When a file is missing or Compose refuses it, or when an `x-towline`
            section is wrong.
    """
    compose_files, values = source.files, source.values
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
        slot = dict.fromkeys(SLOT_VARIABLES, SLOT_PLACEHOLDER)
        environment = {**own, **slot, "TOWLINE_ENV_FILE": str(env_file)}
        result = source.here.run(argv, env=environment, timeout=60)
    if not result.ok:
        options = " ".join(f"-f {file}" for file in compose_files)
        raise UsageError(
            f"{where}: Compose does not accept it: {_reason(result.err)}",
            remedy=f"fix the file; `docker compose {options} config` shows the same",
        )
    if len(compose_files) > 1:
        require_whole_extensions(compose_files)
    model = yaml.load(result.out, Loader=_LOADER)  # noqa: S506 - a safe one
    KNOWN.publish(model.get("services") or {})
    learn_secrets(model, values)
    unset = dict.fromkeys(match["name"] for match in _UNSET.finditer(result.err))
    file = ComposeFile.of(model, _services(where, model), source.tree, tuple(unset))
    return replace(file, old_names=tuple(old_names(compose_files)))


def _mounts(model: Mapping[str, Any], service: str) -> Iterator[Mount]:
    """What a service mounts from files: volumes, then configs and secrets."""
    definition = model["services"][service]
    for volume in definition.get("volumes") or []:
        if volume.get("type") == "bind":
            yield Mount(Path(volume["source"]), str(volume.get("target")))
    for kind, folder in (("configs", "/"), ("secrets", "/run/secrets/")):
        for used in definition.get(kind) or []:
            declared = (model.get(kind) or {}).get(used.get("source")) or {}
            if declared.get("file"):
                target = str(used.get("target") or used["source"])
                inside = target if target[0] == "/" else f"{folder}{target}"
                yield Mount(Path(declared["file"]), inside)


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
        if service.role in PERSISTENT and slot in SLOTS and beside and beside.role in REPLACED:
            raise UsageError(
                f"{where}: containers of service {name} would have the names of those of "
                f"service {rest} in slot {slot}",
                remedy=remedy,
            )


def _reason(stderr: str) -> str:
    lines = [line for line in stderr.strip().splitlines() if not line.startswith("time=")]
    # Masked before it is cut: a half of a secret is not recognised.
    return " ".join(lines[-3:]) or KNOWN.redact(stderr).strip()[-300:]
