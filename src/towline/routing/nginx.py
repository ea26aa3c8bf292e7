"""nginx routes: render, read back, and the questions the router answers about itself.

The address of an app is a variable that nginx resolves at run time (Docker's own resolver,
one second), not an upstream fixed at reload: a container that restarts comes back under
another address, and the router must follow without being told.
"""

import http.client
import json
import re
from collections.abc import Iterable

from towline.routing import request_log
from towline.routing.backends import NOWHERE, render_backend, variable
from towline.routing.policy import read_policy
from towline.routing.routes import Backend, Routes, read_backend

__all__ = [
    "ASK_PORT",
    "NOWHERE",
    "ROUTES_FILE",
    "Backend",
    "Routes",
    "ask",
    "parse",
    "parse_file",
    "render",
    "require_variables",
    "variable",
]

ROUTES_FILE = "routes.conf"
ASK_PORT = 8099

# nginx 1.27.4 can keep idle connections open over a reload; older ones close them at once.
KEEPS_IDLE_CONNECTIONS = (1, 27, 4)


def require_variables(services: Iterable[str]) -> None:
    """Make sure that each service has a variable of its own.

    Raises:
        ValueError: When nginx cannot have one of its name, or two would share one.
    """
    taken: dict[str, str] = {}
    for name in sorted(services):
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise ValueError(
                f"nginx can have no variable for service {name}: its name may only have letters, "
                "digits, - and _"
            )
        # To nginx, variables that differ in case only are the same.
        one = variable(name).lower()
        if one in taken:
            raise ValueError(f"services {taken[one]} and {name} would share nginx's {one}")
        taken[one] = name


def render(routes: Routes, *, nginx_version: tuple[int, ...] = (0,)) -> str:
    """The text of routes.conf."""
    lines = [
        "# Written by Towline at every switch; changes made by hand are lost.",
        "resolver 127.0.0.11 valid=1s ipv6=off;",
    ]
    if nginx_version >= KEEPS_IDLE_CONNECTIONS:
        lines.append("keepalive_min_timeout 10s;")
    lines += routes.policy.lines()
    for service, backend in sorted(routes.backends.items()):
        lines += ["", *render_backend(service, backend, routes.policy)]
    if routes.keeps_log:
        lines += ["", *_request_log(routes)]
    lines += [
        "",
        "server {",
        f"    listen {ASK_PORT};",
        "    access_log off;",
        "    location = /routes {",
        "        default_type application/json;",
        f"        return 200 '{_account(routes)}';",
        "    }",
        "    location = /connections {",
        "        stub_status;",
        "    }",
        *(request_log.locations() if routes.keeps_log else []),
        "}",
    ]
    return "\n".join(lines) + "\n"


def render_include(routes: Routes) -> str:
    """The text of the file that a server with an `access_log` of its own includes."""
    first = "# Written by Towline at every switch; changes made by hand are lost.\n"
    return first + (request_log.access_log() + "\n" if routes.keeps_log else "")


def _request_log(routes: Routes) -> list[str]:
    backends = routes.backends

    # A service that only one of two releases has says nothing about the others' slot; one that
    # both have tells it for a preview too, while one slot has all traffic.
    def rank(name: str) -> tuple[bool, int, str]:
        return not backends[name].is_split, -len(backends[name].shares), name

    tells = min(backends, key=rank)
    pinned = {
        container: (slot, service)
        for service, backend in sorted(backends.items())
        for slot, names in sorted(backend.only.items())
        for container in names
    }
    ports = {name: backend.port for name, backend in backends.items()}
    return request_log.render_log(ports, variable(tells), routes.log or {}, pinned)


def _account(routes: Routes) -> str:
    backends = {name: backend.data() for name, backend in routes.backends.items()}
    data: dict[str, object] = {"generation": routes.generation, "backends": backends}
    if policy := routes.policy.data():
        data["policy"] = policy
    if routes.log is not None:
        data["log"] = dict(routes.log)
    return json.dumps(data, sort_keys=True)


def parse(account: str) -> Routes:
    """The routes that a router says it serves.

    Raises:
        ValueError: When the text is not such an account.
    """
    try:
        data = json.loads(account)
        backends = {name: read_backend(item) for name, item in data["backends"].items()}
        log = data.get("log")
        return Routes(
            data["generation"],
            backends,
            policy=read_policy(data.get("policy", {})),
            log=None if log is None else dict(log),
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"not an account of routes: {error}") from None


def parse_file(text: str) -> Routes:
    """The routes in a routes.conf, as `render` wrote it.

    Raises:
        ValueError: When the file holds no account.
    """
    for line in text.splitlines():
        if line.strip().startswith("return 200 '"):
            return parse(line.strip().removeprefix("return 200 '").removesuffix("';"))
    raise ValueError("no account of routes in the file")


def ask(address: tuple[str, int], *, timeout: float = 2.0) -> Routes:
    """Ask a running router which routes it serves now, on a fresh connection.

    Raises:
        OSError: When it does not answer.
        ValueError: When it answers something else.
    """
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request("GET", "/routes", headers={"Connection": "close"})
        return parse(connection.getresponse().read().decode())
    except http.client.HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from None
    finally:
        connection.close()
