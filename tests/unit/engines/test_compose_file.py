"""`docker compose config` resolves the file; it needs no engine."""

import shutil

import pytest

from towline.config.services import Role
from towline.engines.bundle import Source
from towline.engines.compose.compose_file import COLOUR, resolve
from towline.errors import UsageError
from towline.hosts.local import LocalHost

pytestmark = pytest.mark.skipif(not shutil.which("docker"), reason="the Compose CLI is missing")

FILE = """
services:
  api:
    image: shop:${TOWLINE_VERSION}
    build: .
    env_file: ["${TOWLINE_ENV_FILE}"]
    environment: {SLOT: "${TOWLINE_COLOUR}", EMPTY: "${NOBODY_SETS_THIS}"}
    x-towline: {role: app, port: 8000, health: /health, drain: 10s}
  nginx:
    image: nginx
    x-towline: {role: router}
  extra:
    image: extra
    profiles: [more]
  db:
    image: postgres
"""


def read(folder, text=FILE, **values):
    path = folder / "compose.yml"
    path.write_text(text)
    source = Source(LocalHost(), folder, [path], values, "1.2.0", "")
    return resolve(source, project="shop-prod", own={"TOWLINE_VERSION": "1.2.0"})


def test_roles_variables_and_secrets_are_filled_in(tmp_path):
    stack = read(tmp_path, PASSWORD="a$b 'quoted'")
    api = stack.definition("api")
    assert api["image"] == "shop:1.2.0"
    assert api["environment"]["SLOT"] == COLOUR
    assert api["environment"]["PASSWORD"] == "a$$b 'quoted'"
    assert stack.services["api"].role is Role.APP
    assert stack.services["api"].health.path == "/health"
    assert stack.services["api"].drain == 10
    assert stack.named(Role.BACKING) == ["db"]
    assert stack.router == "nginx"
    assert stack.built == {"api": "shop:1.2.0"}
    assert stack.unset == ("NOBODY_SETS_THIS",)


def test_profiles_come_from_the_environment_file(tmp_path):
    assert "extra" not in read(tmp_path).services
    assert "extra" in read(tmp_path, COMPOSE_PROFILES="more").services


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("image: postgres", "imag: postgres", "Compose does not accept it"),
        ("role: app,", "role: application,", "service api, x-towline: `role`"),
        ("port: 8000,", "prot: 8000,", "unknown key `prot`; did you mean `port`?"),
        ("port: 8000,", "", "service api has role app but no port"),
        ("image: postgres", "image: p\n    x-towline: {role: router}", "more than one router"),
        ("  api:", "  my.svc:", "nginx can have no variable for service my.svc"),
        (
            "  db:\n",
            "  blue-api:\n",
            "service blue-api would have the names of",
        ),
        (
            "  db:\n    image: postgres",
            "  Api:\n    image: p\n    x-towline: {role: app, port: 1}",
            "services Api and api would share nginx's $towline_api",
        ),
        ("drain: 10s", "drain: soon", "'soon' is not a duration"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path, old, new, said):
    with pytest.raises(UsageError) as error:
        read(tmp_path, FILE.replace(old, new))
    assert said in error.value.message
    assert "compose.yml" in error.value.message
    assert error.value.remedy


def test_a_missing_file_says_how_to_get_one(tmp_path):
    source = Source(LocalHost(), tmp_path, [tmp_path / "nothere.yml"], {}, "", "")
    with pytest.raises(UsageError, match=r"nothere.yml does not exist") as error:
        resolve(source, project="p", own={})
    assert "`compose` in towline.yaml" in error.value.remedy
