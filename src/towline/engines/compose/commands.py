"""The argument lists of Compose, and how they look in a plan. Pure: nothing is run here."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from towline.config.services import Role
from towline.engines.acts import Act, Effect
from towline.engines.compose.files import BUILD, PERSISTENT, slot_name
from towline.state.releases import StateFolder

# What a router is given to finish what it has: nobody new is served for as long.
ROUTER_GRACE = 2
UP = (Act.CREATE, Act.START, Act.RECREATE)


@dataclass(frozen=True)
class ComposeCommands:
    """The commands of one environment on a Docker host; see `Commands`."""

    state: StateFolder

    def build(self, services: Sequence[str]) -> tuple[str, ...]:
        """What builds images on the machine where the plan is made."""
        return (shlex.join(compose_command(Path(BUILD), "build", *services)),)

    def push(self, references: Sequence[str]) -> tuple[str, ...]:
        """What brings images to their registries."""
        return tuple(f"docker push {item}" for item in references)

    def pull(self, references: Sequence[str]) -> tuple[str, ...]:
        """What fetches images from their registries."""
        return tuple(f"docker pull {item}" for item in references)

    def reconcile(self, release: str, effects: Sequence[Effect]) -> tuple[str, ...]:
        """What brings persistent services to a release's description."""
        commands = up_commands(self._folder(release) / PERSISTENT, effects)
        restarts = [item.service for item in effects if item.act is Act.RESTART]
        return (
            *(shlex.join(command) for command in commands),
            *(f"docker restart ({name})" for name in restarts),
        )

    def run_jobs(self, release: str, slot: str, services: Sequence[str]) -> tuple[str, ...]:
        """What runs jobs in the image of a release."""
        file = self._folder(release) / slot_name(slot)
        return tuple(shlex.join(job_command(file, name)) for name in services)

    def start(
        self, release: str, slot: str, services: Sequence[str], ready: Sequence[str]
    ) -> tuple[str, ...]:
        """What makes services run in a slot; those of `ready` are only created."""
        file = self._folder(release) / slot_name(slot)
        return tuple(shlex.join(command) for command in start_commands(file, services, ready))

    def start_ready(self, services: Sequence[str]) -> tuple[str, ...]:
        """What starts services that were only created before."""
        return tuple(f"docker start ({name})" for name in services)

    def route(self) -> tuple[str, ...]:
        """What makes the router read its configuration."""
        return ("nginx -t -q", "nginx -s reload")

    def _folder(self, release: str) -> Path:
        return self.state.releases / release


def compose_command(file: Path, *arguments: str) -> list[str]:
    """The argument list of one Compose call on a rendered file."""
    return ["docker", "compose", "--file", str(file), *arguments]


def job_command(file: Path, service: str) -> list[str]:
    """What starts a job; it runs on by itself, and prints the id of its container."""
    return compose_command(file, "run", "--detach", "--no-deps", "--no-TTY", service)


def start_commands(
    file: Path, services: Sequence[str], ready: Sequence[str], scale: Sequence[str] = ()
) -> list[list[str]]:
    """What creates the containers of services and starts them; those of `ready` wait."""
    started = compose_command(file, "up", "--detach", "--no-build", *scale, *services)
    waiting = compose_command(file, "create", "--no-build", *ready)
    return [waiting, started] if ready else [started]


def up_commands(
    file: Path, effects: Iterable[Effect], patient: Iterable[str] = ()
) -> list[list[str]]:
    """What brings services up and touches no other one; a router that is recreated comes last.

    Args:
        file: The rendered file.
        effects: What happens to each service.
        patient: Services with a `stop_grace_period` of their own.
    """
    base = compose_command(file, "up", "--detach", "--no-build", "--no-deps")
    ups = [item for item in effects if item.act in UP]
    last = [item for item in ups if item.role == Role.ROUTER and item.act is Act.RECREATE]
    others = [item.service for item in ups if item not in last]
    commands = [[*base, *others]] if others else []
    for item in last:
        # Its open connections do not keep the port closed for others, unless that was asked for.
        grace = [] if item.service in patient else ["--timeout", str(ROUTER_GRACE)]
        commands.append([*base, *grace, item.service])
    return commands
