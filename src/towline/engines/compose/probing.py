"""A short command in a container, which must end in time.

The engine cannot end a process that it runs in a container. One that hangs is left alone, and as
long as it runs the same one is not started again: a probe that is asked each second would fill
the container with processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from towline.errors import EngineRefused, NoSuchObject
from towline.health.target import CannotAskError
from towline.hosts.base import Result

if TYPE_CHECKING:
    from docker import APIClient

_GONE = (404, 409)
_NO_PROGRAM = 127
_NOT_STARTED = "OCI runtime exec failed"
_LIMIT = 1 << 16
_POLL = 0.05


@dataclass
class Prober:
    """Runs commands in containers.

    Args:
        api: Their engine.
    """

    api: APIClient
    _hanging: dict[tuple[str, ...], str] = field(default_factory=dict)

    def run(self, container: str, argv: Sequence[str], timeout: float) -> Result:
        """Run a command, and return its exit code and the beginning of what it printed.

        Raises:
            TimeoutError: When it does not end in time, or an earlier one still runs.
            CannotAskError: When the container does not run.
        """
        key, ends = (container, *argv), time.monotonic() + timeout
        if key in self._hanging:
            if self._still_runs(self._hanging[key]):
                raise TimeoutError("an earlier one still runs in the container")
            del self._hanging[key]
        asked = _Asked(self.api, container, list(argv))
        asked.start()
        asked.join(timeout)
        if asked.is_alive():
            if asked.id:
                self._hanging[key] = asked.id
            asked.cancel()
            raise TimeoutError(f"did not end within {timeout:g} s")
        if asked.error:
            return _refused(asked.error, argv)
        code = self._exit_code(asked.id, ends)
        if code is None:
            self._hanging[key] = asked.id
            raise TimeoutError(f"did not end within {timeout:g} s")
        out, err = (part.decode("utf-8", "replace") for part in asked.printed)
        if out.startswith(_NOT_STARTED):
            # Older engines print what newer ones answer, with another code.
            return Result(tuple(argv), _NO_PROGRAM, "", out.strip())
        return Result(tuple(argv), code, out, err)

    def _still_runs(self, id_: str) -> bool:
        try:
            return bool(self.api.exec_inspect(id_)["Running"])
        except EngineRefused:
            # An engine that was restarted has forgotten it, and what it ran is gone.
            return False

    def _exit_code(self, id_: str, ends: float) -> int | None:
        """How a command ended; None when it runs on: a stream that breaks ends before it."""
        while True:
            try:
                found = self.api.exec_inspect(id_)
            except NoSuchObject as error:
                raise CannotAskError(f"the container does not run: {error.explanation}") from None
            if not found["Running"] and found["ExitCode"] is not None:
                return int(found["ExitCode"])
            if time.monotonic() >= ends:
                return None
            time.sleep(_POLL)


class _Asked(threading.Thread):
    """One command; its thread ends with it, and nothing waits for one that hangs."""

    def __init__(self, api: APIClient, container: str, argv: list[str]) -> None:
        super().__init__(daemon=True)
        self._api, self._container, self._argv = api, container, argv
        self.id = ""
        self.error: Exception | None = None
        self.printed = [b"", b""]
        self._stream: Any = None

    def run(self) -> None:
        try:
            self.id = self._api.exec_create(self._container, self._argv)["Id"]
            self._stream = self._api.exec_start(self.id, stream=True, demux=True)
            for parts in self._stream:
                for stream, part in enumerate(parts):
                    left = _LIMIT - len(self.printed[stream])
                    self.printed[stream] += (part or b"")[:left]
        except Exception as error:
            self.error = error
        finally:
            self._release()

    def cancel(self) -> None:
        """Stop listening to a command that goes on."""
        if self._stream:
            with suppress(Exception):  # over SSH the client cannot
                self._stream.close()
        self._release()

    def _release(self) -> None:
        # The connection does not go back to its pool by itself; over SSH there are only a few.
        response = getattr(self._stream, "_response", None)
        if response is not None:
            with suppress(Exception):
                response.close()


def _refused(error: Exception, argv: Sequence[str]) -> Result:
    if not isinstance(error, EngineRefused):
        raise error
    if error.status in _GONE:
        raise CannotAskError(f"the container does not run: {error.explanation}") from None
    return Result(tuple(argv), _NO_PROGRAM, "", error.explanation)
