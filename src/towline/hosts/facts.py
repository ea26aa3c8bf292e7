"""What is known of a host after one question: who we are there, and what is installed.

Whoever deploys and whoever provisions ask this one question; provisioning asks more beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_SYSTEM_STATE = Path("/var/lib/towline")
# Each answer carries a word of ours: whatever a login shell or a wrapper of `docker` prints beside
# it is told from it, and moves nothing.
_ASKED = {
    "uid": "id -u",
    "user": "id -un",
    "home": 'printf %s "$HOME"',
    "docker": "docker --version 2>/dev/null",
    "compose": "docker compose version --short 2>/dev/null",
    "system": f"test -w {_SYSTEM_STATE} && echo yes",
}
_MARK = "towline-fact"
SCRIPT = "; ".join(
    [
        "echo",  # whatever was printed before may lack the end of its line
        *(f'echo "{_MARK} {name} $({question})"' for name, question in _ASKED.items()),
        "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; true",
    ]
)
_FACT = re.compile(rf"^{_MARK} (\w+) ?(.*?)\r?$", re.MULTILINE)
# A socket that listens (0A), in the kernel's tables of sockets: its port (proc_net_tcp).
_SOCKET = re.compile(r"^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A ", re.MULTILINE)


@dataclass(frozen=True)
class HostFacts:
    """What is known of a host after one question.

    Attributes:
        uid: Numeric user.
        user: Its name.
        home: Its home folder.
        docker: What `docker --version` says; empty when it is not installed.
        compose: Version of Compose; empty when it is not installed.
        has_state: Whether the system's folder for state is there, and the user may write there.
        state_root: Where environments keep their state.
        listening: TCP ports that something listens on.
    """

    uid: int = 0
    user: str = "root"
    home: Path = Path("/root")
    docker: str = ""
    compose: str = ""
    has_state: bool = False
    state_root: Path = _SYSTEM_STATE
    listening: frozenset[int] = frozenset()


def understood(answer: str) -> HostFacts:
    """The facts in what a host answered to `SCRIPT`.

    Raises:
        ValueError: When it does not answer as a Unix does; says what is wrong.
    """
    # The first line of each: what a program prints below it is no answer of ours.
    found = {name: value.strip() for name, value in _FACT.findall(answer)}
    missing = [name for name in _ASKED if name not in found]
    if missing:
        raise ValueError(f"it does not say its {missing[0]}")
    uid, user, home = found["uid"], found["user"], found["home"]
    if not (uid.isascii() and uid.isdigit() and len(uid) < 11):
        raise ValueError(f"its user has the number {uid[:40]!r}")
    if not PurePosixPath(home).is_absolute():
        raise ValueError(f"the home folder of its user is {home[:80]!r}")
    version = found["compose"]
    # `inv provision` makes the system's folder for whoever deploys.
    has_state = found["system"] == "yes"
    is_system = int(uid) == 0 or has_state
    return HostFacts(
        uid=int(uid),
        user=user or uid,
        home=Path(home),
        docker=found["docker"],
        compose=version.removeprefix("v") if re.match(r"v?\d", version) else "",
        has_state=has_state,
        state_root=_SYSTEM_STATE if is_system else Path(home) / ".local/state/towline",
        listening=frozenset(int(port, 16) for port in _SOCKET.findall(answer)),
    )
