"""nginx routes: render, read back, and the questions the router answers about itself.

The address of an app is a variable that nginx resolves at run time (Docker's own resolver,
one second), not an upstream fixed at reload: a container that restarts comes back under
another address, and the router must follow without being told.
"""

import http.client
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from towline.routing import request_log

ROUTES_FILE = "routes.conf"
ASK_PORT = 8099
NOWHERE = "127.0.0.1:9"

# nginx 1.27.4 can keep idle connections open over a reload; older ones close them at once.
KEEPS_IDLE_CONNECTIONS = (1, 27, 4)


@dataclass(frozen=True)
class Backend:
    """Where one app service gets its traffic: percent of requests for each colour."""

    port: int
    shares: Mapping[str, int]

    def __post_init__(self) -> None:
        total = sum(self.shares.values())
        if total not in (0, 100) or any(share < 0 for share in self.shares.values()):
            raise ValueError(f"shares {dict(self.shares)} are not percentages that add up to 100")


@dataclass(frozen=True)
class Routes:
    """All routes of an environment; `generation` tells one configuration from the next.

    Attributes:
        log: Slot -> release, for the router's request log; None where it keeps none.
    """

    generation: str = ""
    backends: Mapping[str, Backend] = field(default_factory=dict)
    log: Mapping[str, str] | None = None

    @property
    def keeps_log(self) -> bool:
        """Whether the router logs the requests that it sends to app services."""
        return self.log is not None and bool(self.backends)

    def share(self, colour: str) -> int:
        """The percentage of traffic that a colour gets; all services move together."""
        return max((b.shares.get(colour, 0) for b in self.backends.values()), default=0)

    def live_colour(self) -> str | None:
        """The colour with the most traffic; None before the first release."""
        totals: dict[str, int] = {}
        for backend in self.backends.values():
            for colour, share in backend.shares.items():
                totals[colour] = totals.get(colour, 0) + share
        best = max(totals, key=lambda colour: totals[colour], default=None)
        return best if best and totals[best] else None


def variable(service: str) -> str:
    """The nginx variable that holds the address of a service."""
    return "$towline_" + service.replace("-", "_")


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
    for service, backend in sorted(routes.backends.items()):
        lines += ["", *_backend(service, backend)]
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


def _backend(service: str, backend: Backend) -> list[str]:
    addresses = [
        (share, f"{service}-{colour}:{backend.port}")
        for colour, share in sorted(backend.shares.items())
        if share
    ]
    if len(addresses) < 2:
        address = addresses[0][1] if addresses else NOWHERE
        return [f'map "" {variable(service)} {{', f"    default {address};", "}"]
    lines = [f'split_clients "$request_id" {variable(service)} {{']
    lines += [f"    {share}% {address};" for share, address in addresses[:-1]]
    return [*lines, f"    * {addresses[-1][1]};", "}"]


def render_include(routes: Routes) -> str:
    """The text of the file that a server with an `access_log` of its own includes."""
    first = "# Written by Towline at every switch; changes made by hand are lost.\n"
    return first + (request_log.access_log() + "\n" if routes.keeps_log else "")


def _request_log(routes: Routes) -> list[str]:
    return request_log.render_log(
        {name: backend.port for name, backend in routes.backends.items()},
        {name: variable(name) for name in routes.backends},
        routes.log or {},
    )


def _account(routes: Routes) -> str:
    backends = {
        name: {"port": backend.port, "shares": dict(backend.shares)}
        for name, backend in routes.backends.items()
    }
    log = {} if routes.log is None else {"log": dict(routes.log)}
    account = {"generation": routes.generation, "backends": backends, **log}
    return json.dumps(account, sort_keys=True)


def parse(account: str) -> Routes:
    """The routes that a router says it serves.

    Raises:
        ValueError: When the text is not such an account.
    """
    try:
        data = json.loads(account)
        backends = {
            name: Backend(item["port"], item["shares"]) for name, item in data["backends"].items()
        }
        log = data.get("log")
        return Routes(data["generation"], backends, None if log is None else dict(log))
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
