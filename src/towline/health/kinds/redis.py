"""PING and ROLE, over the protocol; Valkey and KeyDB speak it too."""

from __future__ import annotations

import time

from towline.config.probes import RedisProbe
from towline.config.redaction import KNOWN
from towline.health.probes import Answer, Outcome, failure, hint
from towline.health.resp import Reply, Resp, RespError
from towline.health.target import Target

# Variables of the container that usual images and tools take the password from.
_USUAL = ("REDISCLI_AUTH", "REDIS_PASSWORD", "VALKEY_PASSWORD")
_WANTS_PASSWORD = ("NOAUTH", "NOPERM")
_EARLY = ("LOADING", "BUSY", "MASTERDOWN")
_ROLES = {"master": "master", "slave": "replica"}


def ask(probe: RedisProbe, target: Target) -> Answer:
    """See `ask_probe`."""
    address, port = target.at(probe.port)
    started = time.monotonic()
    try:
        with Resp(address, probe.timeout) as server:
            took = _ping(server, probe, target)
            role = server.call("ROLE")
    except RespError as error:
        return _refused(error, time.monotonic() - started)
    except (OSError, ValueError) as error:
        lost = time.monotonic() - started
        return Answer(Outcome.ERROR, failure(error, probe.timeout, port), lost, hint(error))
    if took > probe.max_time:
        said = f"PING: took {took * 1000:.0f} ms, limit {probe.max_time * 1000:.0f} ms"
        return Answer(Outcome.FAILURE, said, took)
    fault, shown = _judge(role, probe.role)
    if fault:
        return Answer(Outcome.FAILURE, fault, took)
    return Answer(Outcome.HEALTHY, f"PONG in {took * 1000:.1f} ms, {shown}", took)


def _ping(server: Resp, probe: RedisProbe, target: Target) -> float:
    """Seconds from PING to PONG, on a connection that is logged in."""
    if probe.password:
        server.call("AUTH", _variable(target, (probe.password,)))
    started = time.monotonic()
    try:
        server.call("PING")
    except RespError as error:
        password = "" if error.code not in _WANTS_PASSWORD else _variable(target, _USUAL)
        if probe.password or not password:
            raise
        server.call("AUTH", password)
        started = time.monotonic()
        server.call("PING")
    return time.monotonic() - started


def _variable(target: Target, names: tuple[str, ...]) -> str:
    """The value of the first of some variables that the container has; empty without one."""
    for name in names:
        try:
            done = target.run(["printenv", name], 2.0)
        except TimeoutError:
            return ""
        if done.ok and (value := done.out.rstrip("\n")):
            # Whatever is told later, this is not.
            KNOWN.learn({name: value})
            return value
    return ""


def _judge(role: Reply, wanted: str) -> tuple[str, str]:
    """What is wrong with a role, and how it is shown. Source: the command reference of `ROLE`."""
    said = role if isinstance(role, list) and role else [""]
    name = _ROLES.get(str(said[0]), str(said[0]))
    shown = name
    if name == "master" and len(said) > 2 and isinstance(said[2], list) and said[2]:
        shown = f"master of {len(said[2])} replicas"
    if wanted and name != wanted:
        return f"is {name or 'of no role'}, wanted {wanted}", shown
    if name == "replica" and len(said) > 3 and said[3] != "connected":
        return f"is a replica whose link to its master is {said[3]!r}, not connected", shown
    return "", shown


def _refused(error: RespError, took: float) -> Answer:
    said = KNOWN.redact(str(error))
    if error.code in _EARLY:
        return Answer(Outcome.INCONCLUSIVE, said, took)
    if error.code in (*_WANTS_PASSWORD, "WRONGPASS"):
        named = ", ".join(_USUAL)
        help_ = f"name the container's variable with its password: `password: NAME` ({named})"
        return Answer(Outcome.ERROR, said, took, help_)
    return Answer(Outcome.FAILURE, said, took)
