"""A property that is worked out once, by instances side by side."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from towline.hosts.once import once

together = threading.Barrier(4, timeout=60)


class Host:
    def __init__(self):
        self.asked = 0

    @once
    def facts(self):
        """What it says."""
        self.asked += 1
        together.wait()
        return [self.asked]

    @once
    def broken(self):
        self.asked += 1
        raise OSError("gone")


def test_instances_do_not_wait_for_each_other_and_each_asks_once():
    hosts = [Host() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda host: host.facts, hosts * 2))
    assert found == [[1]] * 8
    assert [host.facts is seen for host, seen in zip(hosts * 2, found, strict=True)] == [True] * 8


def test_what_failed_is_asked_again():
    host = Host()
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            _ = host.broken
    assert host.asked == 2


def test_it_keeps_its_words():
    assert Host.facts.__doc__ == "What it says."
