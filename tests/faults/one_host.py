"""The tour of kills on one host: a small project of each role, under load."""

import json
import subprocess
import urllib.request

from loadgen import Load
from tour import Tour, half


def tour_of(small, number):
    """Kill a deploy and a rollback at one half of their points; no request is lost."""
    url = f"http://127.0.0.1:{small.http}/"

    def version():
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["version"]

    def serving():
        seen = {version() for _ in range(10)}
        assert len(seen) == 1, seen
        return list(seen)

    def events():
        return [entry["event"] for entry in small.journal()]

    with Load(url, steady=3, fresh=2, limit=900) as load:

        def lost():
            router = ["docker", "logs", "--tail", "9", f"{small.name}-local-nginx-1"]
            why = subprocess.run(router, capture_output=True, text=True, check=False).stderr
            assert load.tally.lost == [], why
            assert load.tally.failed == 0, why

        interrupted = Tour(small, events, serving, lost).run(half(number))
        tally = load.stop()
        lost()
    assert interrupted >= 15
    assert tally.sent == tally.answered
