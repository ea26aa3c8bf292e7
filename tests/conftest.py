"""What the tests on a real engine share, so that they start it once."""

import os
import signal
import sys
import threading
from collections import defaultdict

import pytest

# How long each file took when it last ran, for the order of the next run.
_SECONDS = "towline/seconds"
# Where nothing is known yet: tours of kills, and other tests of many steps, each with a kill.
_LONG = {"_tour_": 120.0, "killed": 20.0}


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Three Docker hosts behind SSH, and a registry."""
    # Unit tests start without what only a lab needs.
    from toy import a_lab

    with a_lab(tmp_path_factory.mktemp("lab"), hosts=3) as made:
        yield made


# Git starts two processes after each commit that look whether to tidy up, and waits for the disk.
_GIT = {"maintenance.auto": "false", "gc.auto": "0", "core.fsync": "none"}


def pytest_addoption(parser):
    """Add what `scripts/test` asks for."""
    told = "Run tests that failed once more, alone; those that pass are called flaky."
    parser.addoption("--retry-alone", action="store_true", help=told)


def pytest_configure(config):
    """Make the tests independent of how they were started."""
    # Where Python may keep no bytecode (many containers say so), each of the thousand commands that
    # are run here would compile Towline and all its libraries anew: most of the time of a test.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ["GIT_CONFIG_COUNT"] = str(len(_GIT))
    for number, (key, value) in enumerate(_GIT.items()):
        os.environ |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    # Whoever runs the tests may ignore signals (`nohup`, a background job); they must not.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if not hasattr(config, "workerinput"):
        if hasattr(config, "cache"):
            config.pluginmanager.register(_Stopwatch(config))
        if config.getoption("--retry-alone"):
            from alone import Alone

            config.pluginmanager.register(Alone(config))


def pytest_collection_modifyitems(config, items):
    """Take the longest file first: the last one to begin must not be what all wait for."""
    known = config.cache.get(_SECONDS, {}) if hasattr(config, "cache") else {}

    def seconds(item):
        file = item.nodeid.partition("::")[0]
        return known.get(file, max((_LONG[word] for word in _LONG if word in file), default=0.0))

    items.sort(key=seconds, reverse=True)


class _Stopwatch:
    """Adds up what each file takes, on the one process that hears of all tests."""

    def __init__(self, config):
        self._config = config
        self._seconds = defaultdict(float)

    def pytest_runtest_logreport(self, report):
        self._seconds[report.nodeid.partition("::")[0]] += report.duration

    def pytest_sessionfinish(self):
        known = self._config.cache.get(_SECONDS, {})
        # A run of a single test says nothing about its file.
        longer = {file: took for file, took in self._seconds.items() if took > known.get(file, 0)}
        self._config.cache.set(_SECONDS, known | longer)
