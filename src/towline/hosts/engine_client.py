"""A Docker client whose errors are ours: what the SDK and its HTTP library raise stays behind it.

The SDK raises errors of three libraries, from calls and from the streams that calls return. Each
becomes one of the tree in `towline.errors` here, with the name of the host in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from towline.errors import EngineDiskFull, EngineRefused, EngineUnreachable, NoSuchObject
from towline.hosts import full_disk

if TYPE_CHECKING:
    from docker import DockerClient

_END = object()


def translated(client: DockerClient, name: str) -> DockerClient:
    """The same client, with errors of ours.

    Args:
        client: A client that is connected.
        name: How people call the host, for messages.
    """
    return cast("DockerClient", _Client(client, name))


def refused(name: str, said: str, status: int = 0) -> EngineRefused:
    """The error for what an engine answered, also within a stream of messages.

    Args:
        name: How people call the host.
        said: The engine's own words.
        status: The HTTP status code of its answer; 0 where there is none.
    """
    if line := full_disk.line(said):
        full = full_disk.full(name, line)
        return EngineDiskFull(full.message, status=status, explanation=said, remedy=full.remedy)
    kind = NoSuchObject if status == 404 else EngineRefused
    return kind(f"the engine of {name} refused: {said}", status=status, explanation=said)


class _Translated:
    """Passes everything on; errors come back translated."""

    def __init__(self, target: Any, name: str) -> None:
        self._target, self._name = target, name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._target, attribute)
        if not callable(found):
            return found

        def act(*arguments: Any, **named: Any) -> Any:
            with _translating(self._name):
                answer = found(*arguments, **named)
            return _streams(answer, self._name)

        return act


class _Client(_Translated):
    @property
    def api(self) -> Any:
        return _Translated(self._target.api, self._name)


def _streams(answer: Any, name: str) -> Any:
    """An answer whose streams are translated as well: `get_archive` returns one in a tuple."""
    if isinstance(answer, tuple):
        return tuple(_streams(item, name) for item in answer)
    return _Stream(answer, name) if isinstance(answer, Iterator) else answer


class _Stream:
    """A stream that is read to its end, or closed, whatever ends it."""

    def __init__(self, source: Iterator[Any], name: str) -> None:
        self._source, self._name = source, name

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            with _translating(self._name):
                found = next(self._source, _END)
        except BaseException:
            self.close()
            raise
        if found is _END:
            self.close()
            raise StopIteration
        return found

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._source, attribute)

    def __del__(self) -> None:
        # One that is dropped half read must not hold its connection.
        with suppress(Exception):
            self.close()

    def close(self) -> None:
        """Give its connection back; what was read stays good, whatever is said then."""
        held: list[Any] = [self._source, getattr(self._source, "_response", None)]
        for item in held:
            # The SDK cannot close the stream of a command over SSH, only the answer beneath it.
            with suppress(Exception):
                item.close()


@contextmanager
def _translating(name: str) -> Iterator[None]:
    from docker.errors import APIError
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except APIError as error:
        status = int(error.status_code or 0)
        raise refused(name, str(error.explanation or error), status) from error
    except (RequestException, HTTPError, EOFError, OSError) as error:
        raise EngineUnreachable(
            f"the connection to the engine of {name} broke ({type(error).__name__})",
            remedy="run the command again: it starts from what serves there",
        ) from error
