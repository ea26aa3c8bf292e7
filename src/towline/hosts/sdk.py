"""The Docker SDK, without what only its own way over SSH needs.

That way loads Paramiko, and with it half of `cryptography`: as much as all the rest of the SDK. A
host behind SSH is reached over what `connection` holds, so that it is used only where DOCKER_HOST
itself is an `ssh://` address.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module
from types import ModuleType
from typing import Any

# The SDK goes on without this module where it cannot be imported: Paramiko is an extra of its.
_OVER_SSH = "docker.transport.sshconn"
_LOCK = threading.Lock()


def load_docker() -> ModuleType:
    """Import the SDK for the engine of this machine."""
    modules: dict[str, Any] = sys.modules
    is_wanted = os.environ.get("DOCKER_HOST", "").startswith("ssh://")
    with _LOCK:
        if "docker" in modules or is_wanted:
            return import_module("docker")
        # None lets an import of it fail.
        modules[_OVER_SSH] = None
        try:
            return import_module("docker")
        finally:
            del modules[_OVER_SSH]


def load_docker_over_ssh() -> ModuleType:
    """Import the module that brings the SDK to a host behind SSH."""
    with _LOCK:
        return import_module("towline.hosts.dial")
