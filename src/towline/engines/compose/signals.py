"""Signal a container's main process from inside, never by the engine's kill API.

The engine takes any signal of its kill API for a wish to stop: it marks the container as stopped
by hand and no longer restarts it, neither after a crash nor at its own start (moby #41302).
Nothing but a restart of the container takes that mark away again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from towline.errors import EngineRefused, TowlineError

if TYPE_CHECKING:
    from docker import APIClient

# The process that reloads is the first one of its container (or its init, which passes it on).
_SCRIPT = "kill -{name} 1"


def execute(api: APIClient, container: str, argv: list[str]) -> tuple[int, str]:
    """Run a program inside a running container; returns its exit code and what it printed.

    A program that the image lacks exits with code 127, as a shell would say it.

    Raises:
        TowlineError: When the container does not run.
    """
    try:
        created = api.exec_create(container, argv)
        output: bytes = api.exec_start(created["Id"])
        code = api.exec_inspect(created["Id"])["ExitCode"]
    except EngineRefused as error:
        if error.status in (404, 409):
            raise TowlineError(f"the container does not run: {error.explanation}") from None
        return 127, error.explanation
    return code, output.decode("utf-8", "replace")


def send(api: APIClient, container: str, signal: str, images: Iterable[str]) -> None:
    """Send a signal to the main process of a container.

    Args:
        api: The engine's client.
        container: Its id.
        signal: Such as `SIGHUP`.
        images: Images on the engine that may have a shell, where the container has none.

    Raises:
        TowlineError: When neither the container nor one of the images has a `kill`.
    """
    name = signal.removeprefix("SIG")
    for argv in (["kill", f"-{name}", "1"], ["sh", "-c", _SCRIPT.format(name=name)]):
        if execute(api, container, argv)[0] == 0:
            return
    for image in images:
        if _from_beside(api, container, name, image):
            return
    raise TowlineError(
        f"no image of the release has a `kill` to send {signal} with",
        remedy="remove `reload` from its x-towline section: it is restarted instead",
    )


def _from_beside(api: APIClient, container: str, name: str, image: str) -> bool:
    """Send it from a container of another image that shares the process numbers."""
    host = api.create_host_config(
        pid_mode=f"container:{container}", network_mode="none", cap_drop=["ALL"], cap_add=["KILL"]
    )
    try:
        made = api.create_container(
            image, entrypoint=["sh", "-c", _SCRIPT.format(name=name)], command=[], user="0",
            host_config=host,
        )  # fmt: skip
    except EngineRefused:
        return False
    try:
        api.start(made["Id"])
        return bool(api.wait(made["Id"])["StatusCode"] == 0)
    except EngineRefused:
        return False
    finally:
        api.remove_container(made["Id"], force=True, v=True)
