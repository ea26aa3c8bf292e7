"""What waits for a host to come back does not wait here."""

import pytest

from towline.hosts import waiting


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(waiting, "_PAUSE", 0.01)
