"""History of journals that are as they should be, and of others."""

import pytest

from towline.hosts.local import LocalFiles
from towline.insight.history import operations
from towline.state.journal import Journal


class HostEnvironment:
    def __init__(self, folder):
        self.journal = Journal(LocalFiles(), folder / "journal.jsonl")


@pytest.fixture
def site(tmp_path):
    return HostEnvironment(tmp_path)


def test_the_last_operations_newest_first(site):
    for number in range(4):
        site.journal.write(f"op{number}", "begin", data={"kind": "deploy", "release": str(number)})
        site.journal.write(f"op{number}", "end", data={"ok": True})
    assert [item.release for item in operations(site, last=3)] == ["3", "2", "1"]


def test_odd_data_and_broken_lines_do_not_stop_it(site):
    site.journal.write("a", "begin", data={"kind": ["x"], "release": None, "live": 3})
    site.journal.write("a", "end")
    site.journal.path.write_bytes(b"null\n[1]\n" + site.journal.path.read_bytes() + b"\xff\n")
    (row,) = operations(site, last=20)
    assert (row.result, row.kind, row.before) == ("failed", "['x']", "3")
