"""A systemd unit for a host that has systemd: there the guard begins again after a reboot."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from towline.errors import UsageError

_UNIT = """\
[Unit]
Description=Towline guard of {project}, environment {environment}
Documentation=man:systemd.service(5)
After=network-online.target docker.service
Wants=network-online.target

[Service]
Type=exec
User={user}
WorkingDirectory={folder}
{state}ExecStart={python} -m towline.tasks.program guard.run --env {environment}
Restart=on-failure
RestartSec=10
# A rollback that it has begun is done to its end.
TimeoutStopSec=10min
KillMode=mixed
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
"""


def render_unit(project: str, environment: str, folder: Path, state: str = "") -> str:
    """The text of a unit that runs the guard of an environment as the current user.

    Args:
        project: Name of the project.
        environment: Name of the environment.
        folder: Root of the project.
        state: `TOWLINE_STATE`, if it is set.

    Raises:
        UsageError: When a path has signs that a unit cannot hold.
    """
    paths = {"the project": str(folder), "Python": sys.executable, "TOWLINE_STATE": state}
    for name, path in paths.items():
        if any(sign in path for sign in " \t\n\"'\\%$"):
            raise UsageError(
                f"the path of {name} cannot be written into a unit: {path!r}",
                remedy="use a path without spaces, quotes, %, $ and backslashes",
            )
    return _UNIT.format(
        project=project,
        environment=environment,
        user=getpass.getuser(),
        folder=folder,
        python=sys.executable,
        state=f"Environment=TOWLINE_STATE={state}\n" if state else "",
    )
