"""`docker compose config` resolves the file; it needs no engine."""

import shutil

import pytest

from towline.config.services import Role
from towline.engines.bundle import Source
from towline.engines.compose.compose_file import SLOT_PLACEHOLDER, resolve
from towline.engines.compose.inspection import inspect_file
from towline.errors import UsageError
from towline.hosts.local import LocalHost

pytestmark = pytest.mark.skipif(not shutil.which("docker"), reason="the Compose CLI is missing")

FILE = """
services:
  api:
    image: shop:${TOWLINE_VERSION}
    build: .
    env_file: ["${TOWLINE_ENV_FILE}"]
    environment: {SLOT: "${TOWLINE_SLOT}", OLD: "${TOWLINE_COLOUR}", EMPTY: "${NOBODY_SETS_THIS}"}
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
    assert api["environment"]["SLOT"] == api["environment"]["OLD"] == SLOT_PLACEHOLDER
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


def test_an_override_goes_over_the_base_from_its_folder(tmp_path):
    base, own = tmp_path / "docker/base.yml", tmp_path / "own/prod.yml"
    for file in (base, own):
        file.parent.mkdir()
    base.write_text("services: {web: {image: a, ports: ['1:1'], x-towline: {port: 1}}}\n")
    own.write_text(
        "services:\n  web:\n    image: b\n    ports: !override ['2:2']\n    volumes: [./x:/x]\n"
        "    environment: {SLOT: '${TOWLINE_COLOUR}'}\n    x-towline: {role: app, port: 1}\n"
    )
    source = Source(LocalHost(), tmp_path, [base, own], {}, "1.0.0", "")
    found = resolve(source, project="p", own={})
    web = found.definition("web")
    assert web["image"] == "b"
    assert [port["published"] for port in web["ports"]] == ["2"]
    assert [item["source"] for item in web["volumes"]] == [str(tmp_path / "docker/x")]
    assert (found.services["web"].role, found.services["web"].port) == (Role.APP, 1)
    (warning,) = [item for item in inspect_file(found, ()) if item.check == "variables"]
    said = "TOWLINE_COLOUR is called TOWLINE_SLOT now; the old name works until 0.8.0"
    assert warning.message == f"{own}: {said}"


def test_an_override_repeats_what_its_extension_would_lose(tmp_path):
    base, own = tmp_path / "base.yml", tmp_path / "prod.yml"
    base.write_text("services: {web: {image: a, x-towline: {role: app, port: 1}}}\n")
    own.write_text("services: {web: {x-towline: {port: 1, drain: 1m}}}\n")
    source = Source(LocalHost(), tmp_path, [base, own], {}, "1.0.0", "")
    with pytest.raises(UsageError) as error:
        resolve(source, project="p", own={})
    assert error.value.message == (
        f"{own}: service web: its x-towline replaces that of {base}, and lacks role"
    )
    own.write_text("services: {web: {x-towline: {role: app, port: 1, drain: 1m}}}\n")
    assert resolve(source, project="p", own={}).services["web"].drain == 60
