import os
import shutil
import stat
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from towline.config.envfile import differences, read_env, write_env
from towline.config.secrets import missing_or_placeholder
from towline.errors import UsageError
from towline.scaffold.new_secrets import fill

EXAMPLE = """\
# A comment.
POSTGRES_USER=shop
POSTGRES_PASSWORD=change-me
POSTGRES_DB=shop
DATABASE_URL=postgresql+psycopg://{POSTGRES_USER}:{POSTGRES_PASSWORD}@postgres:5432/{POSTGRES_DB}

LOG_LEVEL=info
STRIPE_API_KEY=
"""
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def example(tmp_path):
    path = tmp_path / ".env.prod.example"
    path.write_text(EXAMPLE)
    return path


def values(path):
    return read_env(path, {})


def test_a_new_file_has_every_variable(example, tmp_path):
    filled = fill(example, tmp_path / ".env.prod")
    made = values(tmp_path / ".env.prod")
    assert list(made) == list(values(example)) == list(filled.added)
    assert filled.random == ("POSTGRES_PASSWORD",)
    assert filled.to_fill == ("STRIPE_API_KEY",)
    assert len(made["POSTGRES_PASSWORD"]) == 32
    assert made["LOG_LEVEL"] == "info"
    assert made["DATABASE_URL"] == (
        f"postgresql+psycopg://shop:{made['POSTGRES_PASSWORD']}@postgres:5432/shop"
    )
    assert differences(tmp_path / ".env.prod") == []


def test_every_file_gets_other_secrets(example, tmp_path):
    fill(example, tmp_path / "one")
    fill(example, tmp_path / "two")
    names = ("POSTGRES_PASSWORD",)
    assert all(values(tmp_path / "one")[n] != values(tmp_path / "two")[n] for n in names)


def test_what_people_read_holds_no_secret(example, tmp_path):
    filled = fill(example, tmp_path / ".env.prod")
    secret = values(tmp_path / ".env.prod")["POSTGRES_PASSWORD"]
    assert secret not in "\n".join(filled.lines()) + repr(filled)
    assert "fill in by hand: STRIPE_API_KEY" in list(filled.lines())


def test_a_variable_that_is_there_is_never_changed(example, tmp_path):
    target = tmp_path / ".env.prod"
    target.write_text("# mine\nPOSTGRES_PASSWORD='p@ss/{POSTGRES_DB}'\nOTHER=1")
    filled = fill(example, target)
    assert target.read_text().startswith(
        "# mine\nPOSTGRES_PASSWORD='p@ss/{POSTGRES_DB}'\nOTHER=1\n"
    )
    made = values(target)
    assert made["OTHER"] == "1"
    assert "POSTGRES_PASSWORD" not in filled.added
    assert urlsplit(made["DATABASE_URL"]).hostname == "postgres"
    assert "p%40ss%2F%7BPOSTGRES_DB%7D@" in made["DATABASE_URL"]


def test_a_second_run_changes_nothing(example, tmp_path):
    target = tmp_path / ".env.prod"
    fill(example, target)
    before = target.read_bytes(), target.stat().st_mtime_ns
    filled = fill(example, target)
    assert (target.read_bytes(), target.stat().st_mtime_ns) == before
    assert filled.added == ()
    assert "nothing to do" in next(filled.lines())


def test_a_placeholder_that_stays_is_reported(example, tmp_path):
    target = tmp_path / ".env.prod"
    target.write_text("POSTGRES_PASSWORD=change-me\n")
    assert "POSTGRES_PASSWORD" in fill(example, target).to_fill


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_only_the_owner_reads_the_file(example, tmp_path, umask):
    before = os.umask(umask)
    try:
        fill(example, tmp_path / "config" / "prod.env")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "config" / "prod.env").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "line",
    [
        "ACCESS_TOKEN_EXPIRE_MINUTES=30",
        "AUTH_ENABLED=true",
        "JWT_SECRET_ALGORITHM=HS256",
        "REDIS_KEY_PREFIX=shop",
        "SECRET_KEY_FILE=/run/secrets/key",
        "FEATURES='{\"a\": 1}'",
        "GREETING=hello {NOBODY}",
    ],
)
def test_settings_that_only_sound_secret_stay(tmp_path, line):
    example = tmp_path / "example"
    example.write_text(f"{line}\n")
    filled = fill(example, tmp_path / "new")
    assert filled.random == ()
    assert values(tmp_path / "new") == values(example)


@pytest.mark.parametrize("line", ["API_TOKEN_2=abc", "SECRET_KEY_BASE=change-me", "dbPassword=old"])
def test_other_secrets_are_invented(tmp_path, line):
    (tmp_path / "example").write_text(f"{line}\n")
    assert len(fill(tmp_path / "example", tmp_path / "new").random) == 1


def test_nobody_invents_a_domain(tmp_path):
    (tmp_path / "example").write_text("DOMAIN=change-me\n")
    filled = fill(tmp_path / "example", tmp_path / "new")
    assert filled.to_fill == ("DOMAIN",)
    assert values(tmp_path / "new") == {"DOMAIN": "change-me"}


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1))
def test_any_password_survives_in_the_url(tmp_path_factory, password):
    # No line with both is read alike by all readers: write_env refuses.
    assume("\\" not in password or "$" not in password)
    folder = tmp_path_factory.mktemp("env")
    (folder / "example").write_text(EXAMPLE)
    (folder / "new").write_text(write_env({"POSTGRES_PASSWORD": password}))
    fill(folder / "example", folder / "new")
    url = urlsplit(values(folder / "new")["DATABASE_URL"])
    assert unquote(url.password or "") == password
    assert url.hostname == "postgres"


def test_a_missing_example(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        fill(tmp_path / "none", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker compose")
def test_compose_reads_the_same(example, tmp_path):
    fill(example, tmp_path / "new")
    (tmp_path / "compose.yml").write_text("services: {x: {image: x, env_file: [new]}}\n")
    out = subprocess.run(
        ["docker", "compose", "-f", "compose.yml", "config"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seen = {k: v or "" for k, v in yaml.safe_load(out)["services"]["x"]["environment"].items()}
    assert seen == values(tmp_path / "new")


def test_the_file_made_for_our_own_sample_passes_the_check(tmp_path):
    example = ROOT / "deploy/docker/.env.prod.example"
    filled = fill(example, tmp_path / "new")
    assert filled.to_fill == ()
    assert missing_or_placeholder(values(tmp_path / "new"), values(example), ".env.prod") == []
    assert differences(tmp_path / "new") == []
