"""Every kind of change under load: what a plan calls harmless loses no request.

One round of each kind; `TOWLINE_FAULTS=all` makes it thirty.
"""

import os
from collections import Counter

import pytest

from loadgen import Load
from projects import make_project, remove

ROUNDS = 30 if os.environ.get("TOWLINE_FAULTS") == "all" else 7
COMPOSE = "deploy/docker/docker-compose.prod.yml"
SECRET = "deploy/security/secrets/probe_key"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The sample, with a file secret for its application."""
    made = make_project(tmp_path_factory.mktemp("changes"), bake_time="300ms")
    compose = made.root / COMPOSE
    anchor = "x-newsroom: &newsroom\n"
    text = compose.read_text().replace(anchor, f"{anchor}  secrets: [probe_key]\n")
    compose.write_text(
        f"{text}\nsecrets:\n  probe_key: {{ file: ../security/secrets/probe_key }}\n"
    )
    (made.root / SECRET).write_text("first")
    yield made
    remove(made)


def append(project, path, line):
    with (project.root / path).open("a") as file:
        file.write(f"{line}\n")


def application(project, number):
    project.promote(f"2.{number}.0")
    return "deploy"


def variable(project, number):
    project.set(ROUND=number)
    return "deploy"


def reloaded(project, number):
    append(project, "deploy/monitoring/prometheus/prometheus.yml", f"# round {number}")
    project.promote(f"2.{number}.0")
    return "deploy"


def router(project, number):
    append(project, "deploy/security/nginx/nginx.conf", f"# round {number}")
    project.promote(f"2.{number}.0")
    return "deploy"


def certificate(project, number):
    for file in (project.root / "deploy/security/ssl").glob("*.pem"):
        file.unlink()
    project.inv("init.certificate").ok()
    return "deploy"


def secret(project, number):
    (project.root / SECRET).write_text(f"key of round {number}")
    return "deploy"


def back(project, number):
    return "rollback"


KINDS = (application, variable, reloaded, router, certificate, secret, back)


def test_what_a_plan_calls_harmless_loses_no_request(project):
    project.promote("1.0.0")
    project.inv("deploy").ok()
    done, answered = Counter(), 0
    for number in range(1, ROUNDS + 1):
        kind = KINDS[(number - 1) % len(KINDS)]
        command = kind(project, number)
        if command == "deploy":
            plan = project.inv("deploy.plan").ok().out
            assert "nothing to do" not in plan, kind.__name__
            assert "! re" not in plan, f"{kind.__name__} is no change that restarts:\n{plan}"
        more = ("--auto-approve", "--keep-schema") if command == "rollback" else ()
        with Load(f"{project.url}/version") as load:
            said = project.inv(command, *more)
            tally = load.stop()
        assert said.code == 0, f"{kind.__name__}: {said.text}"
        assert tally.lost == [], kind.__name__
        assert tally.failed == 0, f"{kind.__name__}: {tally.statuses}"
        done[kind.__name__] += 1
        answered += tally.answered
        if command == "rollback":
            project.inv("hold.lift").ok()
    print(f"{answered} requests, none lost, over {dict(done)}")
    assert answered > 100 * ROUNDS
