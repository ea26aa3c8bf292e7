"""What provisioning reads and writes: keys, daemon.json, its record."""

import base64
import hashlib
import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.errors import TowlineError, UsageError
from towline.provision import daemon
from towline.provision.docker_key import docker_key
from towline.provision.public_keys import from_files, identity, of_operator
from towline.provision.record import Record, read
from towline.provision.root import write_file

BLOCK = "PGP PUBLIC KEY BLOCK"


def test_docker_s_key_is_the_one_that_it_publishes():
    """Its fingerprint is made from its first packet, as RFC 4880 (12.2) says; apt trusts all."""
    lines = docker_key().strip().splitlines()
    assert (lines[0], lines[-1]) == (f"-----BEGIN {BLOCK}-----", f"-----END {BLOCK}-----")
    assert lines.count(lines[0]) == 1
    data = base64.b64decode("".join(lines[2:-2]))
    # An old packet (0x80) of tag 6, with a length of two bytes.
    assert data[0] == 0x80 | 6 << 2 | 1
    length = int.from_bytes(data[1:3], "big")
    body = b"\x99" + data[1 : 3 + length]
    fingerprint = hashlib.sha1(body, usedforsecurity=False).hexdigest().upper()
    assert fingerprint == "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
    digest = "1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570"
    assert hashlib.sha256(docker_key().encode()).hexdigest() == digest


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
