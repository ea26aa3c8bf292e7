"""Properties have no time limit: a busy machine says nothing about the code."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from repository_fixtures import _committed, _home

from towline.config.redaction import KNOWN

# Made once in a session, for several folders.
__all__ = ["_committed", "_home"]

settings.register_profile("towline", deadline=None)
settings.load_profile("towline")


@pytest.fixture(autouse=True)
def _nothing_is_known():
    """What one test made a secret or a public word is neither in the next one."""
    KNOWN.forget()
    yield
    KNOWN.forget()


# Much of a test that kills a promotion at every step is waiting for the disk, also where it removes
# its copies. Where containers run, this may be a small folder.
_MEMORY = Path("/dev/shm")
_ENOUGH = 2 * 1024**3


@pytest.fixture(scope="session")
def _scratch(tmp_path_factory):
    """A folder in memory; on disk where there is little memory, or none to write to."""
    is_roomy = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH
    base = _MEMORY if is_roomy else tmp_path_factory.getbasetemp()
    with tempfile.TemporaryDirectory(prefix="towline-", dir=base) as made:
        yield Path(made).resolve()


@pytest.fixture
def tmp_path(_scratch, request):
    """An empty folder, gone after the test; pytest's own stays, on disk."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_scratch))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
