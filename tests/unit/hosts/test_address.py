import socket

import pytest

from towline.errors import TowlineError, UsageError
from towline.hosts.address import parse
from towline.hosts.connection import SshConnection


@pytest.mark.parametrize(
    ("text", "parts", "shown"),
    [
        ("ssh://deploy@10.0.0.5:22", ("10.0.0.5", "deploy", 22), "ssh://deploy@10.0.0.5:22"),
        ("ssh://web1.example.org", ("web1.example.org", "", None), "ssh://web1.example.org"),
        ("web1", ("web1", "", None), "ssh://web1"),
        ("root@Web1:2222", ("Web1", "root", 2222), "ssh://root@Web1:2222"),
        ("ssh://[2001:db8::1]:2222", ("2001:db8::1", "", 2222), "ssh://[2001:db8::1]:2222"),
    ],
)
def test_addresses(text, parts, shown):
    address = parse(text)
    assert (address.host, address.user, address.port) == parts
    assert str(address) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh://",
        "http://web1",
        "ssh://web1/path",
        "ssh://web1:port",
        "ssh://web1:99999",
        "ssh://-oProxyCommand=x@web1",
        "-oProxyCommand=x",
        "ssh://web1;reboot",
        "web 1",
        "unix:///var/run/docker.sock",
    ],
)
def test_what_is_no_address(text):
    with pytest.raises(UsageError, match="is not the address of a host"):
        parse(text)


def test_a_password_is_refused_and_not_repeated():
    with pytest.raises(UsageError, match="holds a password") as caught:
        parse("ssh://deploy:hunter2@web1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("ssh://deploy@10.0.0.5:2222", "ssh -p 2222 deploy@10.0.0.5"),
        ("web1", "ssh web1"),
        ("ssh://[2001:db8::1]:2222", "ssh -p 2222 2001:db8::1"),
    ],
)
def test_the_command_that_a_person_would_type(text, command):
    assert parse(text).login() == command


def test_a_command_there_with_another_configuration_and_user():
    address = parse("web1:2222")
    assert address.login("df", "-h", "/a b", user="root", ssh_config="lab/config") == (
        "ssh -F lab/config -p 2222 root@web1 df -h '/a b'"
    )
    assert parse("ann@web1").login(user="root") == "ssh ann@web1"


def test_the_advice_for_a_host_that_is_away_names_its_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(TowlineError, match="cannot be reached") as error:
            SshConnection(parse(f"ann@127.0.0.1:{port}")).transport()
    assert f"`ssh -p {port} ann@127.0.0.1`" in error.value.remedy
