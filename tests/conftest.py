"""What the tests on a real engine share, so that they start it once."""

import os
import signal
import sys
import threading

import pytest


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Three Docker hosts behind SSH, and a registry."""
    # Unit tests start without what only a lab needs.
    from toy import a_lab

    with a_lab(tmp_path_factory.mktemp("lab"), hosts=3) as made:
        yield made


def pytest_configure():
    """Make the tests independent of how they were started."""
    # Where Python may keep no bytecode (many containers say so), each of the thousand commands that
    # are run here would compile Towline and all its libraries anew: most of the time of a test.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # Whoever runs the tests may ignore signals (`nohup`, a background job); they must not.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
