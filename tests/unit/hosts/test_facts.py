"""What a host says of itself, among whatever else its login shell and its programs print."""

import subprocess
from pathlib import Path

import pytest

from towline.errors import TowlineError
from towline.hosts.address import parse
from towline.hosts.base import Result
from towline.hosts.facts import SCRIPT, understood
from towline.hosts.remote import RemoteHost

SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 0100007F:0050 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0
   2: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:0
"""
SOUND = {
    "uid": "1000", "user": "deploy", "home": "/home/deploy",
    "docker": "Docker version 28.0.1, build 1", "compose": "2.33.1", "system": "",
}  # fmt: skip


def answer(**changes):
    facts = {**SOUND, **changes}
    return "".join(f"towline-fact {k} {v}\n" for k, v in facts.items() if v is not None) + SOCKETS


def test_a_sound_answer_is_understood():
    facts = understood(answer())
    assert (facts.uid, facts.user, facts.home) == (1000, "deploy", Path("/home/deploy"))
    assert (facts.docker, facts.compose) == (SOUND["docker"], "2.33.1")
    assert facts.state_root == Path("/home/deploy/.local/state/towline")
    assert facts.listening == {8080, 443}
    assert understood(answer(system="yes")).state_root == Path("/var/lib/towline")
    assert understood(answer(uid="0")).state_root == Path("/var/lib/towline")


@pytest.mark.parametrize(
    "noise",
    ["Welcome to web1!\n", "0\nroot\n/root\n", "\x1b[2J\x07*** closed at 22:00 ***\r\n", "\n\n",
     "   3: garbled 0A line\n", "towline-fact\n"],
)  # fmt: skip
def test_noise_moves_nothing(noise):
    lines = answer().splitlines(keepends=True)
    for at in range(len(lines) + 1):
        assert understood("".join([*lines[:at], noise, *lines[at:]])) == understood(answer())


def test_line_ends_of_another_system_do_not_matter():
    assert understood(answer().replace("\n", "\r\n")) == understood(answer())


def test_what_is_not_installed_or_says_odd_things_is_not_there():
    facts = understood(answer(docker="", compose=""))
    assert (facts.docker, facts.compose) == ("", "")
    assert understood(answer(compose="unknown shorthand flag: 'h'")).compose == ""
    # Another program of that name prints several lines.
    assert understood(answer(docker="Docker version 28\nmore\nlines")).home == Path("/home/deploy")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"uid": None}, "does not say its uid"), ({"uid": ""}, "has the number ''"),
     ({"uid": "root"}, "has the number 'root'"), ({"uid": "-1"}, "has the number '-1'"),
     ({"uid": "9" * 5000}, "has the number '999"), ({"uid": "\u0661"}, "has the number"),
     ({"home": ""}, "the home folder of its user is ''"),
     ({"home": "home/deploy"}, "the home folder of its user is 'home/deploy'"),
     ({"system": None}, "does not say its system")],
)  # fmt: skip
def test_an_odd_answer_is_one_message(changes, said):
    with pytest.raises(ValueError, match=said):
        understood(answer(**changes))


@pytest.mark.parametrize(
    ("out", "err"),
    [
        ("", ""),
        ("This account is not available.\n", ""),
        ("", "sh: not found\n"),
        ("\ufffd" * 9999, ""),
    ],
)
def test_a_host_that_is_no_unix_is_one_message_with_what_to_type(monkeypatch, out, err):
    host = RemoteHost(parse("deploy@web1"))
    monkeypatch.setattr(host.connection, "run", lambda argv, **_: Result(tuple(argv), 1, out, err))
    with pytest.raises(
        TowlineError, match="web1 does not answer as expected: it does not"
    ) as error:
        host.facts  # noqa: B018
    assert "ssh" in error.value.remedy
    assert len(error.value.message) < 500


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_question_is_understood_here(tmp_path, shell):
    home = tmp_path / "a home"
    done = subprocess.run(
        ["sh", "-c", f"printf Welcome; exec {shell} -c \"$0\"", SCRIPT],
        capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
    )  # fmt: skip
    facts = understood(done.stdout)
    assert facts.home == home
    assert facts.uid == int(subprocess.check_output(["id", "-u"]))
