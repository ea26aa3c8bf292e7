"""Races another process a hundred times for one lock on a host: racer.py SSH_CONFIG NUMBER.

Prints `won` or `locked` for each round. Both meet at a file on the host before a round and after.
"""

import sys
import time
from pathlib import Path

from towline.errors import Locked
from towline.hosts.address import parse
from towline.hosts.remote import RemoteHost
from towline.state import lock

ROUNDS = 100
config, number = sys.argv[1], int(sys.argv[2])
host = RemoteHost(parse("lab1"), ssh_config=config)
folder = Path("/tmp/races")


def meet(place):
    """Wait until both are here."""
    host.files.write(folder / f"{place}-{number}", b"")
    while not host.files.exists(folder / f"{place}-{1 - number}"):
        time.sleep(0.001)


for turn in range(ROUNDS):
    meet(f"{turn}-start")
    try:
        with lock.held(host.files, folder / "lock", f"race {turn}"):
            print("won", flush=True)
            meet(f"{turn}-tried")
    except Locked:
        print("locked", flush=True)
        meet(f"{turn}-tried")
    meet(f"{turn}-end")
host.close()
