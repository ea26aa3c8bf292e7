"""What becomes of a host that lets us in, and then cannot be opened."""

from towline.environments.opening import Opening
from towline.errors import NoEngine
from towline.hosts.address import parse
from towline.hosts.remote import RemoteHost


def test_a_host_without_an_engine_keeps_no_connection(monkeypatch):
    closed = []
    monkeypatch.setattr(RemoteHost, "close", lambda host: closed.append(host.name))

    def remote(opening, address, _):
        opening.connected.append(RemoteHost(address))
        if address.short == "web2":
            raise NoEngine("no Docker engine answers on web2")

    monkeypatch.setattr(Opening, "remote", remote)
    opening = Opening(project=None, name="prod", tolerant=True)
    assert opening._tried(parse("deploy@web1"), None) is None
    assert closed == []
    assert isinstance(opening._tried(parse("deploy@web2"), None), NoEngine)
    assert closed == ["web2"]
