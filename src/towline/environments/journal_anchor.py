"""What releases remember of the journal, on each host: how many entries there were, and the last.

A chain of hashes shows a line that was changed, not one that was cut off at the end, nor a chain
that was computed anew. So each operation leaves the number and the hash of its last entry with the
newest retained release of every host (`releases/ID/journal.json`); an older release keeps what it
knew. Whoever can write on all hosts can change all of it.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from towline.environments.host_environment import HostEnvironment
from towline.errors import TowlineError
from towline.state.journal import Journal

_FILE = "journal.json"


@dataclass(frozen=True)
class Anchor:
    """What one release on one host remembers: entry `seq` had this hash."""

    host: str
    release: str
    seq: int
    hash: str


def leave(
    sites: Sequence[HostEnvironment], journal: Journal, admit: Callable[[HostEnvironment], None]
) -> None:
    """Let each host remember the last entry that was written here.

    An operation that is done is not undone by a host that cannot remember it.

    Args:
        sites: The environment on its hosts.
        journal: Its journal.
        admit: Raises where a host is not to be written to.
    """
    last = journal.last
    if last is None:
        return

    def remember(site: HostEnvironment) -> None:
        with suppress(OSError, TowlineError):
            releases = site.store.all()
            admit(site)
            if releases:
                _write(site, releases[-1].folder, last["seq"], last["hash"])

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(remember, sites))


def anchors(sites: Sequence[HostEnvironment]) -> list[Anchor]:
    """What the releases of these hosts remember."""
    found = []
    for site in sites:
        for name in site.host.files.names(site.state.releases):
            known = _read(site, site.state.releases / name)
            if known:
                found.append(Anchor(site.host.name, name, *known))
    return found


def contradictions(journal: Journal, known: Sequence[Anchor]) -> list[str]:
    """Where a journal is not what releases remember, a line each; empty when it is."""
    wanted = {item.seq for item in known}
    hashes: dict[int, str] = {}
    replaced: set[str] = set()
    count = 0
    for entry in journal.walk():
        count = max(count, entry["seq"])
        if entry["seq"] in wanted:
            hashes[entry["seq"]] = entry["hash"]
        told = entry["data"].get("replaces")
        replaced |= set(map(str, told)) if isinstance(told, list) else set()
    wrong = []
    for item in known:
        if item.hash in (hashes.get(item.seq), *replaced):
            continue
        who = f"release {item.release} on {item.host}"
        if item.seq > count:
            lost = f"{who} remembers {item.seq} entries, and there are {count}: the end is missing"
            wrong.append(lost)
        else:
            wrong.append(f"entry {item.seq} is not the one that {who} remembers")
    return wrong


def _read(site: HostEnvironment, folder: Path) -> tuple[int, str] | None:
    try:
        data = json.loads(site.host.files.read(folder / _FILE))
        return int(data["seq"]), str(data["hash"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        # It proves nothing any more; the others may.
        return None


def _write(site: HostEnvironment, folder: Path, seq: int, digest: str) -> None:
    known = _read(site, folder)
    # What it knew of more entries than there are is a trace of what was lost.
    if known is None or known[0] < seq:
        text = json.dumps({"seq": seq, "hash": digest}) + "\n"
        site.host.files.write(folder / _FILE, text.encode(), 0o600)
