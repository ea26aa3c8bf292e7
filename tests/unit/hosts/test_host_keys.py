"""Which host keys are trusted, from known_hosts files as OpenSSH writes and people edit them."""

import pytest
from paramiko import ECDSAKey, HostKeys, SSHClient

from towline.errors import UsageError
from towline.hosts.host_keys import be_strict, fingerprint


@pytest.fixture
def keys():
    return [ECDSAKey.generate() for _ in range(3)]


@pytest.fixture
def client(tmp_path):
    """A client that trusts the lines of two files."""

    def strict(*contents):
        paths = []
        for number, content in enumerate(contents):
            paths.append(tmp_path / f"known_hosts{number}")
            paths[-1].write_text(content)
        made = SSHClient()
        be_strict(made, [*map(str, paths), str(tmp_path / "missing")])
        return made

    return strict


def line(key, names="web", marker=""):
    return f"{marker}{names} {key.get_name()} {key.get_base64()} a comment\n"


def trusted(client, name="web"):
    found = client.get_host_keys().lookup(name)
    return dict(found) if found else {}


def refusal(client, key, name="web"):
    with pytest.raises(UsageError) as error:
        client._policy.missing_host_key(client, name, key)
    return error.value


def test_plain_hashed_and_several_names(client, keys):
    hashed = HostKeys.hash_host("[db]:2222")
    known = client(line(keys[0], "web,10.0.0.5"), line(keys[1], hashed))
    name = keys[0].get_name()
    assert trusted(known) == trusted(known, "10.0.0.5") == {name: keys[0]}
    assert trusted(known, "[db]:2222") == {name: keys[1]}
    assert trusted(known, "other") == {}


def test_lines_that_are_none_are_skipped(client, keys):
    broken = "# a comment\n\nweb\nweb ssh-ed25519 !!!\nweb ssh-unknown AAAA\n@revoked\n@odd w x y\n"
    known = client(broken + line(keys[0]))
    assert trusted(known) == {keys[0].get_name(): keys[0]}


def test_the_first_of_several_keys_counts(client, keys):
    assert trusted(client(line(keys[0]), line(keys[1]))) == {keys[0].get_name(): keys[0]}


@pytest.mark.parametrize("space", [" ", "\t"])
def test_a_revoked_key_is_refused_wherever_the_line_stands(client, keys, space):
    revoked = line(keys[0], "*", f"@revoked{space}")
    for contents in ((line(keys[0]) + revoked,), (revoked, line(keys[0]))):
        known = client(*contents)
        assert trusted(known) == {}
        said = refusal(known, keys[0])
        assert f"was revoked: it shows ECDSA {fingerprint(keys[0])}" in said.message
        assert "ssh-keyscan" not in said.remedy
    assert "is not known" in refusal(known, keys[1]).message


def test_a_certificate_authority_trusts_nothing_and_is_named(client, keys):
    known = client(line(keys[0], "*.example.org", "@cert-authority ") + line(keys[1], "db"))
    assert trusted(known) == {}
    assert trusted(known, "db") == {keys[1].get_name(): keys[1]}
    said = refusal(known, keys[0])
    assert "certificates of a @cert-authority are not supported" in said.message
    assert "ssh-keyscan -p 22 -t ecdsa web >>" in said.remedy
