"""A small cache and job queue: Redis, or this process's memory where there is none."""

import json
from collections import deque
from typing import Any, Protocol

JOBS = "newsroom:jobs"
HEARTBEAT = "newsroom:worker"


class Cache(Protocol):
    """What the service needs of Redis."""

    def get(self, key: str) -> Any: ...

    def put(self, key: str, value: Any, seconds: int) -> None: ...

    def drop(self, key: str) -> None: ...

    def count(self, key: str) -> int: ...

    def push(self, job: dict[str, Any]) -> None: ...

    def pop(self, seconds: float) -> dict[str, Any] | None: ...

    def ping(self) -> None: ...


class RedisCache:
    """The real one."""

    def __init__(self, url: str) -> None:
        import redis

        self._redis = redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3)

    def get(self, key: str) -> Any:
        found = self._redis.get(key)
        return None if found is None else json.loads(found)

    def put(self, key: str, value: Any, seconds: int) -> None:
        self._redis.set(key, json.dumps(value), ex=seconds)

    def drop(self, key: str) -> None:
        self._redis.delete(key)

    def count(self, key: str) -> int:
        return int(self._redis.incr(key))

    def push(self, job: dict[str, Any]) -> None:
        self._redis.rpush(JOBS, json.dumps(job))

    def pop(self, seconds: float) -> dict[str, Any] | None:
        found = self._redis.blpop([JOBS], timeout=seconds)
        return json.loads(found[1]) if found else None

    def ping(self) -> None:
        self._redis.ping()


class MemoryCache:
    """For tests and for a service without Redis; nothing expires."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._jobs: deque[dict[str, Any]] = deque()

    def get(self, key: str) -> Any:
        return self._values.get(key)

    def put(self, key: str, value: Any, seconds: int) -> None:
        self._values[key] = value

    def drop(self, key: str) -> None:
        self._values.pop(key, None)

    def count(self, key: str) -> int:
        self._values[key] = int(self._values.get(key, 0)) + 1
        return int(self._values[key])

    def push(self, job: dict[str, Any]) -> None:
        self._jobs.append(job)

    def pop(self, seconds: float) -> dict[str, Any] | None:
        return self._jobs.popleft() if self._jobs else None

    def ping(self) -> None:
        return


def connect(url: str) -> Cache:
    """The cache behind a URL; the process's own memory without one."""
    return RedisCache(url) if url else MemoryCache()
