"""From what is known of a host to the steps that make it ready, and back."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from towline.errors import TowlineError, UsageError
from towline.findings import Severity
from towline.hosts import facts as host_facts
from towline.hosts.facts import HostFacts
from towline.provision import facts as facts_of_hosts
from towline.provision.apply import _INSTALLED
from towline.provision.deprovision import deprovision, left
from towline.provision.docker_key import docker_key
from towline.provision.facts import Container, Engine, Facts, understood
from towline.provision.findings import examine
from towline.provision.plan import KEYRING, SOURCES, Wanted, notes, plan
from towline.provision.record import Record

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKZ me@laptop"


def _host(compose="2.29.1", *, has_state=True):
    return HostFacts(docker="Docker version 27.1", compose=compose, has_state=has_state)


BARE = Facts(identity="debian", version="12", codename="bookworm", system="Debian 12",
             arch="amd64", init="systemd", memory=4 * 10**9, disk_images=10**10,
             disk_state=10**10)  # fmt: skip
WANTED = Wanted("deploy", (KEY,), "docker")
PACKAGES = ["docker-ce", "containerd.io", "docker-ce-cli", "docker-compose-plugin",
            "docker-buildx-plugin", "ca-certificates"]  # fmt: skip
READY = replace(
    BARE,
    packages=frozenset({"docker-ce", "containerd.io", "docker-ce-cli", "ca-certificates"}),
    host=_host(),
    buildx="0.16", engine=Engine("27.1", "local"), own=Engine("27.1", "local"), enabled=True,
    repository="/etc/apt/sources.list.d/docker.list",
    daemon='{"log-driver": "local"}', folder="deploy", home="/home/deploy",
    groups=frozenset({"deploy", "docker"}), keys=(KEY,), synchronised=True, upgrades=True,
    ufw="active",
)  # fmt: skip


def titles(steps):
    return [step.title for step in steps]


def test_a_bare_host_needs_everything_in_this_order():
    steps = plan(BARE, WANTED)
    assert titles(steps) == [
        "make /var/lib/towline",
        "rotate the logs of containers",
        "add https://download.docker.com/linux/debian to apt's sources",
        f"install {', '.join(PACKAGES)}",
        "start the engine, and whenever the host starts",
        "make the user deploy",
        "let deploy use the engine (group docker)",
        "let deploy log in with 1 key of yours",
        "give /var/lib/towline to deploy",
    ]
    source = steps[2]
    assert set(source.note.files) == {KEYRING, SOURCES}
    assert source.note.files[KEYRING] == hashlib.sha256(docker_key().encode()).hexdigest()
    # Each step's note is what the way back is planned from.
    assert steps[5].note == Record(user="deploy", user_made=True)
    assert "--simulate" in steps[3].packages


def test_a_host_that_is_ready_needs_nothing():
    assert plan(READY, WANTED) == []


@pytest.mark.parametrize(
    ("change", "wanted", "expected"),
    [
        ({"enabled": False}, {}, ["start the engine whenever the host starts"]),
        ({"daemon": None}, {}, ["rotate the logs of containers"]),
        ({"daemon": None, "engine": Engine("27", "json-file", 3)}, {},
         ["rotate the logs of containers, from the engine's next start on: containers run"]),
        ({"host": _host("")}, {}, ["install docker-compose-plugin"]),
        ({"host": _host("1.29.2")}, {}, ["install docker-compose-plugin"]),
        ({"host": _host(""), "apparmor": True}, {}, ["install docker-compose-plugin, apparmor"]),
        ({"engine": Engine(error="it is down")}, {},
         ["start the engine, and whenever the host starts"]),
        ({"groups": frozenset({"deploy"})}, {}, ["let deploy use the engine (group docker)"]),
        ({"folder": "root"}, {}, ["give /var/lib/towline to deploy"]),
        # Another comment is the same key.
        ({"keys": (KEY.rpartition(" ")[0] + " other",)}, {}, []),
        ({"keys": None}, {}, ["let deploy log in with 1 key of yours"]),
        # Root needs no group, no key and no folder of its own.
        ({"groups": frozenset(), "folder": "root", "keys": ()}, {"user": "root"}, []),
    ],
)  # fmt: skip
def test_what_is_missing_and_no_more(change, wanted, expected):
    assert titles(plan(replace(READY, **change), replace(WANTED, **wanted))) == expected


@pytest.mark.parametrize(
    ("identity", "version", "names"),
    [
        ("debian", "13", "docker.io, docker-cli, docker-compose, docker-buildx"),
        ("ubuntu", "24.04", "docker.io, docker-compose-v2, docker-buildx"),
        ("ubuntu", "22.04", "docker.io, docker-compose-v2, docker-buildx"),
    ],
)
def test_the_distribution_s_own_packages(identity, version, names):
    bare = replace(BARE, identity=identity, version=version)
    steps = titles(plan(bare, replace(WANTED, source="distro")))
    assert f"install {names}, ca-certificates" in steps
    assert not any("apt's sources" in title for title in steps)


@pytest.mark.parametrize(
    ("change", "wanted", "message"),
    [
        ({"identity": "alpine", "system": "Alpine 3.20"}, {}, "Alpine 3.20 is not one"),
        ({"version": "10", "system": ""}, {}, "its system is not one"),
        ({"rights": "", "host": HostFacts(user="guest")}, {}, "guest may not act as root"),
        ({"interrupted": "docker.io is half-installed"}, {}, "package manager was interrupted"),
        ({}, {"user": "Deploy Me"}, "is no name of a user"),
        ({}, {"source": "distro"}, "Debian 12's own packages have no Compose"),
        ({"daemon": "?"}, {}, "cannot be read"),
        ({"daemon": "{nonsense"}, {}, "daemon.json cannot be read"),
    ],
)
def test_what_cannot_be_prepared(change, wanted, message):
    with pytest.raises(UsageError, match=message) as caught:
        plan(replace(BARE, **change), replace(WANTED, **wanted))
    assert caught.value.remedy


def test_every_script_is_one_that_sh_reads():
    made = Record("deploy", user_made=False, group_joined=True, keys=(KEY,),
                  folders=("/var/lib/towline",), packages=("docker-ce",),
                  files={KEYRING: "ab"}, daemon={"log-driver": "local"})  # fmt: skip
    steps = [*plan(BARE, WANTED), *deprovision(replace(READY, record=made))]
    steps += deprovision(replace(READY, record=replace(made, user_made=True)))
    for step in steps:
        for script in filter(None, (step.script, step.packages)):
            done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True)
            assert done.returncode == 0, f"{step.title}: {done.stderr}\n{script}"
    checker = shutil.which("shellcheck")
    if checker:
        for step in steps:
            argv = [checker, "--shell=sh", "--severity=warning", "-"]
            done = subprocess.run(argv, input=step.script, text=True, capture_output=True)
            assert done.returncode == 0, f"{step.title}\n{done.stdout}"


def test_a_key_cannot_break_out_of_its_script():
    evil = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKZ it's; touch /tmp/pwned"
    step = next(s for s in plan(replace(READY, keys=()), replace(WANTED, keys=(evil,))))
    assert "'\"'\"'s; touch" in step.script


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ufw": "active"}, "ufw is active"),
        ({"ufw": "inactive", "firewall": "nftables"}, "nftables filters"),
        ({"ufw": ""}, "no firewall filters"),
        ({"synchronised": False}, "install chrony"),
    ],
)
def test_what_is_left_to_people(change, said):
    assert any(said in line for line in notes(replace(READY, **change)))


def test_what_was_never_made_is_not_taken():
    assert deprovision(READY) == []


FULL = Record("deploy", user_made=True, group_joined=True, keys=(KEY,),
              folders=("/var/lib/towline",), packages=("docker-ce",), files={KEYRING: "ab"},
              daemon={"log-driver": "local"}, daemon_made=True)  # fmt: skip


def test_what_was_made_goes():
    assert titles(deprovision(replace(READY, record=FULL))) == [
        "remove the user deploy; its home folder goes if nothing of others is in it",
        "take the log rotation out of daemon.json",
        "remove 1 packages that were installed for it",
        f"remove {KEYRING}",
        "forget what was made; /var/lib/towline goes if it is empty",
    ]


def test_a_state_folder_of_somebody_else_is_given_back():
    step = next(
        step for step in plan(replace(READY, folder="www"), WANTED) if "chown" in step.script
    )
    assert step.note.folder_owner == "www"
    record = replace(FULL, folders=(), folder_owner=step.note.folder_owner)
    first = deprovision(replace(READY, record=record))[0]
    assert (first.title, first.script) == (
        "give /var/lib/towline back to www", "chown www: /var/lib/towline",
    )  # fmt: skip
    later = deprovision(replace(READY, record=record, folder="other"))[0]
    assert "give" not in later.title


def test_a_package_that_only_becomes_newer_is_not_one_that_was_installed():
    """Else taking the host back would remove what was there before."""
    said = (
        "Inst libseccomp2 [2.5.4-1+b3] (2.5.5-1 Debian:12.6/stable [amd64])\n"
        "Inst docker.io (20.10.24+dfsg1-1+deb12u1 Debian:12.6/stable [amd64])\n"
        "Conf libseccomp2 (2.5.5-1 Debian:12.6/stable [amd64])\n"
    )
    assert _INSTALLED.findall(said) == ["docker.io"]


def test_a_user_who_was_there_before_stays():
    record = replace(FULL, user_made=False)
    steps = titles(deprovision(replace(READY, record=record)))
    assert steps[:2] == [
        "take the keys from deploy that were added",
        "take deploy out of the group docker",
    ]


@pytest.mark.parametrize(("busy", "code"), [(2, 0), (99, 8)])
def test_a_user_whose_session_just_ended_is_removed_a_moment_later(tmp_path, busy, code):
    """The SSH server ends its processes only after the connection was closed."""
    (script,) = [
        step.script
        for step in deprovision(replace(READY, record=FULL))
        if "remove the user" in step.title
    ]
    fake = f"""\
getent() {{ echo x:x:1:1::{tmp_path}/none:/bin/sh; }}
sleep() {{ :; }}
userdel() {{
  echo >>{tmp_path}/tries
  [ $(wc -l <{tmp_path}/tries) -gt {busy} ] || {{ echo "used by process 7"; return 8; }}
}}
"""
    ran = subprocess.run(
        ["sh", "-c", f"set -eu\n{fake}{script}"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (code, "")
    assert ran.stdout == ("used by process 7\n" if code else "")


def test_settings_of_others_stay_in_daemon_json():
    facts = replace(READY, record=replace(FULL, daemon_made=False),
                    daemon=json.dumps({"log-driver": "local", "debug": True}))  # fmt: skip
    step = next(step for step in deprovision(facts) if "daemon.json" in step.title)
    assert "rm -f" not in step.script
    changed = replace(facts, daemon='{"log-driver": "journald"}')
    assert not any("daemon.json" in title for title in titles(deprovision(changed)))


@pytest.mark.parametrize(
    "deployed",
    [{"environments": ("shop/prod",)}, {"containers": (Container("x", "shop/prod"),)}],
)
def test_a_host_in_use_is_not_taken_apart(deployed):
    facts = replace(READY, record=FULL, **deployed)
    with pytest.raises(UsageError, match="there is deployed: shop/prod"):
        deprovision(facts)
    assert deprovision(facts, force=True)


def test_nobody_removes_the_ground_they_stand_on():
    with pytest.raises(UsageError, match="deploy cannot remove the user deploy"):
        deprovision(replace(READY, record=FULL, host=HostFacts(user="deploy")))
    with pytest.raises(UsageError, match="may not act as root"):
        deprovision(replace(READY, record=FULL, rights=""))


def test_what_stays_is_said():
    facts = replace(READY, containers=(Container("x"),), volumes=2, environments=("shop/prod",))
    assert [line.partition(",")[0] for line in left(facts)] == [
        "1 containers", "2 volumes", "releases and journals of shop/prod",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "check", "severity", "said"),
    [
        ({}, "engine", Severity.OK, "Docker engine 27.1"),
        ({"host": HostFacts()}, "engine", Severity.ERROR, "not installed"),
        ({"own": Engine(error="permission denied")}, "engine", Severity.ERROR, "may not use"),
        ({"own": Engine(), "engine": Engine(error="down")}, "engine", Severity.ERROR, "down"),
        ({"own": Engine("19.03")}, "engine", Severity.ERROR, "older than 20.10"),
        ({"host": _host("")}, "compose", Severity.ERROR, "not installed"),
        ({"host": _host("2.3")}, "compose", Severity.ERROR, "older than 2.20"),
        ({"enabled": False}, "engine", Severity.WARNING, "does not start with the host"),
        ({"identity": "arch"}, "system", Severity.WARNING, "is not one that Towline prepares"),
        ({"host": _host(has_state=False)}, "state", Severity.WARNING, "goes to its home folder"),
        ({"disk_state": 1}, "disk", Severity.ERROR, "wanted"),
        ({"memory": 5}, "memory", Severity.WARNING, "of memory"),
        ({"daemon": None}, "logs", Severity.WARNING, "until the disk is full"),
        ({"daemon": "?"}, "logs", Severity.WARNING, "cannot be read"),
        ({"skew": -90.0}, "clock", Severity.ERROR, "90 s behind"),
        ({"synchronised": False}, "clock", Severity.WARNING, "nothing keeps"),
        ({"interrupted": "x"}, "packages", Severity.WARNING, "interrupted"),
        ({"upgrades": False}, "upgrades", Severity.WARNING, "do not install themselves"),
        ({"reboot": True}, "upgrades", Severity.WARNING, "waits for a restart"),
        ({"ufw": ""}, "firewall", Severity.WARNING, "no firewall"),
    ],
)
def test_findings(change, check, severity, said):
    found = examine(replace(READY, **change), "prod", 10**9)
    assert any(
        item.check == check and item.severity is severity and said in item.message for item in found
    ), found
    assert all(item.remedy for item in found if item.severity is not Severity.OK)


def test_a_ready_host_has_no_finding_that_matters():
    assert {item.severity for item in examine(READY, "prod", 10**9)} == {Severity.OK}


def test_an_answer_without_anything_is_a_bare_host():
    facts = understood({}, "deploy")
    assert (facts.host.docker, facts.daemon, facts.deployed, facts.record) == (
        "",
        None,
        (),
        Record(),
    )


DEPLOYS_ASK = "".join(
    f"towline-fact {name} {value}\n"
    for name, value in {
        "uid": "1000", "user": "deploy", "home": "/home/deploy", "docker": "Docker version 28.0.1",
        "compose": "v2.33.1", "system": "yes",
    }.items()
)  # fmt: skip


def test_what_every_deploy_asks_is_asked_in_the_same_command(monkeypatch):
    asked = []

    def ask(_, script):
        asked.append(script)
        return SimpleNamespace(out=f"time 1\nrights sudo\nend yes\n{DEPLOYS_ASK}", err="")

    monkeypatch.setattr(facts_of_hosts, "ask", ask)
    facts = facts_of_hosts.gather(SimpleNamespace(), "deploy")
    assert facts.rights == "sudo"
    assert (facts.host.user, facts.host.compose, facts.host.has_state) == ("deploy", "2.33.1", True)
    assert len(asked) == 1
    assert host_facts.SCRIPT in asked[0]


@pytest.mark.parametrize(
    ("line", "host"),
    [("containers abc", DEPLOYS_ASK), ("keys =abc", DEPLOYS_ASK), ("login deploy", "")],
)
def test_garbled_facts_of_a_host_are_one_message(monkeypatch, line, host):
    answer = SimpleNamespace(out=f"time 1\n{line}\nend yes\n{host}", err="")
    monkeypatch.setattr(facts_of_hosts, "ask", lambda *_: answer)
    connection = SimpleNamespace(address=SimpleNamespace(short="web1"))
    with pytest.raises(TowlineError, match="web1 does not answer as expected"):
        facts_of_hosts.gather(connection, "deploy")
