"""What provisioning reads and writes: keys, daemon.json, its record, OpenPGP."""

import base64
import contextlib
import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.errors import TowlineError, UsageError
from towline.provision import daemon
from towline.provision.docker_key import FINGERPRINT, believed
from towline.provision.openpgp import fingerprints
from towline.provision.public_keys import from_files, identity, of_operator
from towline.provision.record import Record, read
from towline.provision.root import write_file

# Made by GnuPG 2.2 for this test; the fingerprints are what it says of them.
ED25519 = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawEpexYJKwYBBAHaRw8BAQdAtggTaD5CToKRKU9uRHyky1wH6Grk3Xv/peJG
EKZVYH+0FFRlc3QgPHRAZXhhbXBsZS5vcmc+iJAEExYIADgWIQTTqbLWE8lXM5Q6
muLTumvjzn+5awUCawEpewIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRDT
umvjzn+5az1JAP0fX2LvHhQRVJHwk4wmc0n8hTV3KBzlfjNQTDSDayNJjAEAl5dp
RAxTW9pq9hYSfc8UI2TCb5f63TORz1cJux4WSwY=
=hmcG
-----END PGP PUBLIC KEY BLOCK-----
"""
RSA = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mI0EawEpewEEAMv8Rs4CCJHhIj6DMMKnc8KfhhDHvu9FTnBAy1sNgwAm+z1njSMA
msSv3wAzFzMUXxqpjVerPHG5RSq6x7+LfeDql+kZnLY8ZevtXp+7cKT5uCoW88Xk
PYUQ75rrmXXsRq8+ek8vndckjiRAW30N5BX0Tbc8XuI/Gs2Xc/o7tO1vABEBAAG0
E1JTQSA8ckBleGFtcGxlLm9yZz6IzgQTAQoAOBYhBCFF0AgerIgq9geT3zzatEtS
V0N7BQJrASl7AhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEDzatEtSV0N7
/6wEAKD87d0lVfEXne5EDP/Rp/S3sunGumKOpPu07K2AfrFrryilhEErhlRgjXjp
1A4vaitV6Q6nqa2meUpuh54ATAQi2z4ojnQw4Nke729LsukjXeje95UdNoNu75bX
0LxTOwY3kPuBxidBXIS3BX60JOXDoQS5k+ky29bZhChq7nHI
=lpB/
-----END PGP PUBLIC KEY BLOCK-----
"""


@pytest.mark.parametrize(
    ("armoured", "expected"),
    [
        (ED25519, ["D3A9B2D613C95733943A9AE2D3BA6BE3CE7FB96B"]),
        (RSA, ["2145D0081EAC882AF60793DF3CDAB44B5257437B"]),
        (ED25519.replace("BLOCK-----\n\n", "BLOCK-----\nVersion: GnuPG v2\n\n", 1),
         ["D3A9B2D613C95733943A9AE2D3BA6BE3CE7FB96B"]),
    ],
)  # fmt: skip
def test_fingerprints_are_those_of_gnupg(armoured, expected):
    assert fingerprints(armoured) == expected


def test_a_second_key_in_a_file_shows():
    """apt trusts all keys of a file."""
    both = base64.b64encode(_binary(ED25519) + _binary(RSA)).decode()
    text = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{both}\n-----END PGP PUBLIC KEY BLOCK-----"
    assert len(fingerprints(text)) == 2


def _binary(armoured):
    lines = armoured.strip().splitlines()[2:-2]
    return base64.b64decode("".join(lines))


@pytest.mark.parametrize(
    "text",
    ["", "<html>", ED25519 + RSA, ED25519.replace("mDME", "!!!!"),
     ED25519.replace("mDMEawE", "AAAA"), ED25519.replace("umvjzn", "")],
)  # fmt: skip
def test_what_is_no_key_is_refused(text):
    try:
        found = fingerprints(text)
    except ValueError:
        return
    assert found != ["D3A9B2D613C95733943A9AE2D3BA6BE3CE7FB96B"] or "umvjzn" not in text


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fall(data):
    text = base64.b64encode(data).decode()
    block = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}\n-----END PGP PUBLIC KEY BLOCK-----"
    with contextlib.suppress(ValueError):
        assert FINGERPRINT not in fingerprints(block)


@pytest.mark.parametrize("text", [ED25519, "<html>a proxy's page</html>"])
def test_another_key_is_not_believed(text):
    with pytest.raises(TowlineError, match="is not Docker's key") as caught:
        believed(text)
    assert FINGERPRINT in caught.value.details[0]


KEYS = {
    "ssh-ed25519": "ssh-ed25519 " + base64.b64encode(
        b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(32)).decode(),
    "ssh-rsa": "ssh-rsa " + base64.b64encode(b"\0\0\0\x07ssh-rsa" + bytes(40)).decode(),
}  # fmt: skip


@pytest.mark.parametrize("line", KEYS.values(), ids=KEYS)
def test_public_keys(tmp_path, line):
    file = tmp_path / "k.pub"
    file.write_text(f"# mine\n\n{line}  me@laptop\n{line}  me@laptop\n")
    assert from_files([file]) == (f"{line} me@laptop",)
    assert identity(f'command="x y",no-pty {line} me') == line
    assert identity("# nothing") == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "is a private key"),
        ("ssh-ed25519 !!!!\n", "no public key"),
        ("ssh-rsa " + KEYS["ssh-ed25519"].split()[1] + "\n", "no public key"),
        ("hello\n", "no public key"),
    ],
)
def test_what_is_no_public_key(tmp_path, text, message):
    file = tmp_path / "k"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        from_files([file])
    with pytest.raises(UsageError, match="cannot be read"):
        from_files([tmp_path / "missing.pub"])


def test_the_operator_s_keys(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(UsageError, match="no public key of yours"):
        of_operator([])
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "id_ed25519.pub").write_text(KEYS["ssh-ed25519"] + "\n")
    assert of_operator([]) == (KEYS["ssh-ed25519"],)


@pytest.mark.parametrize(
    ("before", "rotates"),
    [
        (None, False),
        ("", False),
        ("{}", False),
        ('{"log-driver": "json-file"}', False),
        ('{"log-driver": "local"}', True),
        ('{"log-driver": "journald"}', True),
        ('{"log-opts": {"max-size": "5m"}}', True),
        ('{"log-opts": {"labels": "x"}, "live-restore": true}', False),
    ],
)
def test_log_rotation_goes_in_and_out_without_a_trace(before, rotates):
    assert daemon.rotates(before) == rotates
    if rotates:
        return
    after, added = daemon.with_rotation(before)
    assert daemon.rotates(after)
    again = daemon.without(after, added)
    assert json.loads(again) == (json.loads(before) if before else {})
    assert daemon.without(before, added) is None


@pytest.mark.parametrize("text", ["[]", "{", '{"log-opts": []}'])
def test_a_damaged_daemon_json_is_not_touched(text):
    with pytest.raises(UsageError, match="cannot be read"):
        daemon.with_rotation(text)


def test_records():
    one = Record(folders=("/var/lib/towline",), packages=("a-b",))
    two = Record(user="deploy", user_made=True, packages=("a-b", "c1"), daemon={"x": 1})
    both = one.with_(two)
    assert both.packages == ("a-b", "c1")
    assert both.user_made
    assert read(both.dump()) == both
    assert both.made
    assert not Record().made


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"user": "root"},
        {"user": "a; rm -rf /"},
        {"folders": ["/"]},
        {"packages": ["--purge"]},
        {"files": {"/etc/passwd": "x"}},
        {"files": {"/etc/apt/../passwd": "x"}},
        {"unknown": 1},
        {"folders": 7},
    ],
)
def test_a_record_that_we_did_not_write_removes_nothing(change):
    data = {**json.loads(Record().dump()), **change}
    with pytest.raises(TowlineError, match=r"provisioned\.json is damaged"):
        read(json.dumps(data))
    with pytest.raises(TowlineError, match="is damaged"):
        read("[")


@given(st.text())
def test_a_file_is_written_with_any_text(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "written it's"
    script = "\n".join(["set -eu", *write_file(str(path), text, "0640")])
    subprocess.run(["sh", "-c", script], check=True)
    assert path.read_bytes() == text.encode("utf-8", "surrogatepass")
    assert path.stat().st_mode & 0o777 == 0o640
