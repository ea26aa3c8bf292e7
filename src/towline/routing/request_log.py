"""The router's request log: one JSON line a request, in memory of the router's container.

nginx writes each line to a tmpfs of the container, which no disk can delay, and which cannot grow:
where nobody reads it, it is full one day, and nginx goes on without it. It is read over the
router's own port (see `request_reader`), so that no command has to run in the container.

A line tells nothing of who asked for what: neither address nor path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

FOLDER = "/var/log/towline"
FILE = f"{FOLDER}/requests.log"
# The part before, after a rotation.
ROTATED = f"{FOLDER}/requests.1.log"
SIZE = 16 * 2**20
"""Bytes that the log may take in the container's memory."""
ROTATE_AT = 6 * 2**20
"""Bytes at which a reader has it begun anew; the part before stays until the next time."""

INCLUDE_FILE = "request-log.inc"
"""In the folder of routes: what a server that has an `access_log` of its own includes."""

# A service's variable is `towline_NAME`, so that these are nobody's.
_SLOT, _RELEASE, _SERVICE, _IS_APP = (
    f"$towlinelog_{name}" for name in ("slot", "release", "service", "is_app")
)
_FORMAT = (
    '{"time":$msec',
    f'"slot":"{_SLOT}"',
    f'"release":"{_RELEASE}"',
    f'"service":"{_SERVICE}"',
    '"status":$status',
    '"upstream_status":"$upstream_status"',
    '"request_time":$request_time',
    '"upstream_response_time":"$upstream_response_time"',
    '"request_id":"$request_id"',
    '"bytes":$bytes_sent}',
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# The connection belongs to a WebSocket from here on: how long it lasts is no latency.
SWITCHING = 101


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request.

    Attributes:
        time: When it ended, in Unix seconds by the router's clock.
        slot: The slot that it was sent to.
        release: The release that was there; empty when nobody said.
        service: The app service; empty where that cannot be told.
        status: What the client got.
        upstream_status: What the app answered; 0 when it did not.
        seconds: How long the app took; how long the client waited, where the app was not reached.
    """

    time: float
    slot: str
    release: str
    service: str
    status: int
    upstream_status: int
    seconds: float
    request_id: str
    size: int


def render_log(
    services: Mapping[str, int],
    variable: str,
    releases: Mapping[str, str],
    pinned: Mapping[str, tuple[str, str]],
) -> list[str]:
    """The lines of routes.conf that make nginx write the log.

    Where the request was sent, `$proxy_host` tells: slot and service. It is empty where an error
    page has taken the request over. All services that both releases have split by the same key
    into the same shares, so that the address of any of them tells the slot then, and the port the
    service.

    Args:
        services: App service -> its port.
        variable: Holds the address of a service that all slots with traffic have.
        releases: Slot -> the release that is in it.
        pinned: Container that gets requests by its own name -> its slot and service.
    """
    lines = [
        f'map "$proxy_host|{variable}" {_SLOT} {{',
        *_slot_rules(services, releases, pinned),
        "}",
        f"map {_SLOT} {_RELEASE} {{",
        '    default "";',
        *(f'    {slot} "{release}";' for slot, release in sorted(releases.items())),
        "}",
        f'map "$proxy_host|$upstream_addr" {_SERVICE} {{',
        *_service_rules(services, pinned),
        "}",
        # An address that cannot be resolved leaves no trace but nginx's own 502.
        f'map "$upstream_addr:$status" {_IS_APP} {{',
        "    default 1;",
        '    "~^:502$" 1;',
        '    "~^:" 0;',
        "}",
        "log_format towline escape=json",
    ]
    lines += [f"    '{part}{',' if part is not _FORMAT[-1] else ''}'" for part in _FORMAT]
    lines[-1] += ";"
    return [*lines, access_log()]


def access_log() -> str:
    """The directive, for a server that has one of its own."""
    return f"access_log {FILE} towline if={_IS_APP};"


def locations() -> list[str]:
    """The locations of the router's own port that give the log out."""
    lines = []
    for path, file in (("/requests", FILE), ("/requests.1", ROTATED)):
        lines += [
            f"    location = {path} {{",
            "        default_type application/octet-stream;",
            "        open_file_cache off;",
            "        log_not_found off;",
            f"        alias {file};",
            "    }",
        ]
    return lines


def parse_line(line: bytes) -> Request | None:
    """One line of the log; None when it is none, such as the part that fitted when it was full."""
    try:
        data = json.loads(line)
        upstream = str(data["upstream_status"])
        seconds = [float(part) for part in _NUMBER.findall(str(data["upstream_response_time"]))]
        statuses = _NUMBER.findall(upstream)
        return Request(
            time=float(data["time"]),
            slot=str(data["slot"]),
            release=str(data["release"]),
            service=str(data["service"]),
            status=int(data["status"]),
            upstream_status=int(float(statuses[-1])) if statuses else 0,
            # Several when nginx asked several times: the client waited for all of them.
            seconds=sum(seconds) if seconds else float(data["request_time"]),
            request_id=str(data["request_id"]),
            size=int(data["bytes"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def rotation_script() -> str:
    """What begins the log anew, for a shell in the router's container.

    Of several readers at the same time one does it: whoever comes later finds a short file. The
    part before is removed where it leaves the new file less room than it needs to be begun anew in
    its turn: whoever runs this has read it.

    An nginx that was started with another configuration file does not find its own process, and
    the first process of the container is told. One that was told and makes no new file goes on
    with the one that it has.
    """
    return f"""cd {FOLDER} && [ $(wc -c < requests.log) -ge {ROTATE_AT} ] || exit 0
mv -f requests.log requests.1.log || exit 1
if nginx -s reopen || kill -USR1 1; then
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -e requests.log ] && break
        sleep 0.1
    done
fi
[ -e requests.log ] || {{ mv -f requests.1.log requests.log; exit 1; }}
[ $(wc -c < requests.1.log) -lt {SIZE - ROTATE_AT} ] || rm -f requests.1.log
"""


def _slot_rules(
    services: Mapping[str, int], releases: Mapping[str, str], pinned: Mapping[str, tuple[str, str]]
) -> list[str]:
    # nginx takes the first that matches.
    rules = ['    default "";']
    for name, (slot, _) in pinned.items():
        rules.append(f'    "~^{re.escape(name)}(:\\d+)?\\|" {slot};')
        rules.append(f'    "~^\\|{re.escape(name)}:" {slot};')
    names = "|".join(re.escape(name) for name in sorted(services))
    for slot in sorted(releases):
        rules.append(f'    "~^({names})-{slot}(:\\d+)?\\|" {slot};')
        rules.append(f'    "~^\\|({names})-{slot}:" {slot};')
    return rules


def _service_rules(services: Mapping[str, int], pinned: Mapping[str, tuple[str, str]]) -> list[str]:
    if len(services) == 1:
        return [f"    default {next(iter(services))};"]
    ports = list(services.values())
    rules = ['    default "";']
    for name, (_, service) in pinned.items():
        rules.append(f'    "~^{re.escape(name)}(:\\d+)?\\|" {service};')
    for name, port in sorted(services.items()):
        rules.append(f'    "~^{re.escape(name)}-(blue|green)(:\\d+)?\\|" {name};')
        if ports.count(port) == 1:
            rules.append(f'    "~^\\|.*:{port}$" {name};')
    return rules
