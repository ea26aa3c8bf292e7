"""The engine of an environment, chosen by `engine:` of towline.yaml.

The only place outside of an engine's own room that knows where it lives. An engine is a callable
that takes a host, the state folder there, and the names of project and environment; packages add
one by an entry point of the group `towline.engines`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from towline.config.engine_kinds import GROUP

if TYPE_CHECKING:
    from towline.config.loading import Project
    from towline.engines.base import Engine
    from towline.hosts.base import Host
    from towline.state.releases import StateFolder

    Maker = Callable[[Host, StateFolder, str, str], Engine]


def make_engine(
    kind: str, host: Host, state: StateFolder, project: str, environment: str
) -> Engine:
    """What runs the containers of one environment on one host.

    Args:
        kind: The value of `engine:`; the configuration has made sure that there is one.
        host: Where they run.
        state: Where the host keeps the environment's state.
        project: Name of the project.
        environment: Name of the environment.
    """
    return _maker(kind)(host, state, project, environment)


def learn_secrets(kind: str, project: Project) -> None:
    """Have the secrets masked that a description names, before anything is asked of an engine.

    Args:
        kind: The value of `engine:`.
        project: The project.
    """
    if kind == "compose":
        from towline.engines.compose.secret_files import learn_declared

        learn_declared(project)


def _maker(kind: str) -> Maker:
    if kind == "compose":
        from towline.engines.compose.engine import ComposeEngine

        return ComposeEngine
    from importlib.metadata import entry_points

    (found,) = entry_points(group=GROUP, name=kind)
    return cast("Maker", found.load())
