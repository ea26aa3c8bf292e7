"""What promotion derives: the same input gives the same bytes, and nothing of this machine."""

import hashlib
import json
import stat
import zipfile
from pathlib import Path

import pytest
from project_files import git, write

from towline.config.compose_files import merged_services, read_compose, require_whole_extensions
from towline.config.loading import load
from towline.errors import TowlineError, UsageError
from towline.promotion import images, manifest, requirements, targets
from towline.promotion import sbom as bom
from towline.promotion.generated import generated_files, variables
from towline.promotion.plan_summary import summarise
from towline.promotion.promotion import plan_promotion, promote

COMPOSE = """\
x-app: &app
  image: shop-api:${TOWLINE_VERSION:-dev}
  environment: { A: "${TOKEN_SECRET}", B: $$NOT, C: "${LEVEL:-info}" }
services:
  api:
    <<: *app
    build: ..
    x-towline: { role: app, port: 8000, metrics: /metrics }
  worker: { <<: *app, x-towline: { role: worker } }
  db: { image: "${DB_IMAGE:-postgres:15}", ports: !override ["1:1"] }
  cache: { image: "redis@sha256:%s" }
""" % ("a" * 64)
SETTINGS = """\
project: shop
source: app
promote:
  copy: {src: src, requirements.in: requirements.in}
  version_files: [VERSION]
  requirements: requirements.in
"""


def wheel(folder: Path, name: str, version: str) -> str:
    """A wheel that pip and uv accept; returns its digest."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", "")
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """An index of this machine alone: nothing is asked of a network."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    digests = {version: wheel(folder, "brandy", version) for version in ("1.0", "1.1")}
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://user:s3cret@index.example/simple")
    return digests


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "shop"
    files = {"towline.yaml": SETTINGS, "app/VERSION": "1.0.0\n", "app/src/a.py": "",
             "app/requirements.in": "brandy==1.0\n",
             "deploy/docker/docker-compose.prod.yml": COMPOSE}  # fmt: skip
    write(root, files)
    git(root, "init", "-q", "-b", "main", "--template=")
    commit(root, "feat: start")
    return root


def commit(root, message):
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


def again(root):
    project = load(root)
    plan = plan_promotion(project)
    summary = summarise(plan)
    promote(project, plan)
    return plan, summary


def test_everything_is_derived_and_doing_it_again_changes_nothing(root, wheels):
    again(root)
    tree = root / "deploy/generated"
    names = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())
    assert names == ["bom.json", "images.json", "prometheus/targets.json", "release.env",
                     "requirements.txt", "secrets.example"]  # fmt: skip
    assert (tree / "release.env").read_text().endswith("TOWLINE_VERSION=1.0.0\n")
    assert "TOKEN_SECRET=\n" in (tree / "secrets.example").read_text()
    assert json.loads((tree / "images.json").read_text()) == {
        "api": {"image": "shop-api:1.0.0"},
        "cache": {"image": f"redis@sha256:{'a' * 64}", "digest": f"sha256:{'a' * 64}"},
        "db": {"image": "postgres:15"},
        "worker": {"image": "shop-api:1.0.0"},
    }
    assert json.loads((tree / "prometheus/targets.json").read_text()) == [
        {"targets": ["api:8000"],
         "labels": {"job": "shop-api", "service": "api", "role": "app",
                    "__metrics_path__": "/metrics"}}
    ]  # fmt: skip
    kept = manifest.read(root / "deploy")
    assert kept.variables == ("DB_IMAGE", "LEVEL", "TOKEN_SECRET", "TOWLINE_VERSION")
    assert plan_promotion(load(root)).nothing_to_do


def test_requirements_are_locked_with_hashes_and_nothing_of_this_machine(root, wheels, tmp_path):
    again(root)
    text = (root / "deploy/generated/requirements.txt").read_text()
    first, *rest = text.splitlines()
    assert first.startswith("# Written by `inv promote` from requirements.in, sha256 ")
    assert rest == ["brandy==1.0 \\", f"    --hash=sha256:{wheels['1.0']}"]
    assert str(tmp_path) not in text
    assert "s3cret" not in text


def test_the_lock_is_made_anew_only_when_its_input_changed(root, wheels, tmp_path, monkeypatch):
    again(root)
    project = load(root)
    place = root / "deploy/generated/requirements.txt"
    present = place.read_bytes()
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "nowhere"))
    assert requirements.lock(project, present) is present
    with pytest.raises(TowlineError, match="cannot be locked") as caught:
        requirements.lock(project, present, relock=True)
    assert caught.value.details
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    write(root, {"app/requirements.in": "-r base.in\n", "app/base.in": "brandy==1.1\n"})
    locked = requirements.lock(project, present)
    assert b"brandy==1.1" in locked
    write(root, {"app/base.in": "brandy\n"})
    assert requirements.lock(project, locked) != locked


def test_a_release_tells_which_packages_changed(root, wheels):
    _, first = again(root)
    assert [str(item) for item in first.dependencies] == ["+ brandy 1.0"]
    write(root, {"app/requirements.in": "brandy==1.1\n"})
    write(root, {"app/src/b.py": ""})
    commit(root, "fix: newer brandy")
    plan, summary = again(root)
    assert plan.version == "1.0.1"
    assert [str(item) for item in summary.dependencies] == ["brandy 1.0 -> 1.1"]
    shown = summary.lines()
    assert "changes       1 fix" in shown
    assert any(line.startswith("dependencies  brandy 1.0 -> 1.1") for line in shown)
    told = summary.markdown()
    assert "| brandy | 1.0 | 1.1 |" in told
    assert "**fix** newer brandy" in told
    assert "~ generated/requirements.txt" in told


def test_missing_requirements_are_refused(root):
    (root / "app/requirements.in").unlink()
    with pytest.raises(UsageError, match="requirements names it"):
        requirements.lock(load(root), None)


def test_the_bill_of_materials_is_the_same_for_the_same_packages():
    found = bom.packages(
        ["Brandy==1.0 \\\n    --hash=sha256:" + "b" * 64, "gin[dry]==2.0 ; x\n-e .\n"]
    )
    assert [(item.name, item.version) for item in found] == [("brandy", "1.0"), ("gin", "2.0")]
    text = bom.bill_of_materials("shop", "1.0.0", found)
    assert text == bom.bill_of_materials("shop", "1.0.0", found)
    data = json.loads(text)
    assert (data["bomFormat"], data["specVersion"]) == ("CycloneDX", "1.5")
    assert "timestamp" not in data["metadata"]
    assert data["metadata"]["component"]["name"] == "shop"
    purls = [item["purl"] for item in data["components"]]
    assert purls == ["pkg:pypi/brandy@1.0", "pkg:pypi/gin@2.0"]
    assert data["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "b" * 64}]
    assert (
        data["serialNumber"]
        != json.loads(bom.bill_of_materials("shop", "1.0.1", found))["serialNumber"]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:$X", "a:1"),
        ("a:${X}", "a:1"),
        ("a:${X:-d}", "a:1"),
        ("a:${Y:-d}", "a:d"),
        ("a:${Y-d}", "a:d"),
        ("a:${E:-d}", "a:d"),
        ("a:${E-d}", "a:"),
        ("a:${X:+set}${Y:+set}", "a:set"),
        ("a:${Y:?must be set}", "a:"),
        ("a:$$X", "a:$X"),
        ("${Y:-reg/${X}}", "reg/1"),
    ],
)
def test_images_are_interpolated_as_compose_does(text, expected):
    assert images.interpolated(text, {"X": "1", "E": ""}) == expected


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A stand-in for the command line of Docker, which knows one image."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "docker"
    digest = "sha256:" + "c" * 64
    script.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *inspect*known*json*|*json*known*) echo \'["known@{digest}"]\';;\n'
        f'  *imagetools*remote*) echo \'{{"digest": "{digest}"}}\';; *) exit 1;; esac\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return digest


def test_digests_are_asked_of_engine_and_registry(docker):
    services = {"a": {"image": "known:1"}, "b": {"image": "remote:1"},
                "c": {"image": "own:1", "build": "."}, "d": {"image": "own:1"}}  # fmt: skip
    found = images.images(services, {}, pin=True)
    assert found["a"]["digest"] == found["b"]["digest"] == docker
    assert "digest" not in found["c"]
    assert "digest" not in found["d"]
    assert "digest" not in images.images(services, {}, pin=False)["a"]


def test_a_digest_that_nobody_knows_is_refused(docker):
    with pytest.raises(UsageError, match="nobody knows the digest of other:1") as caught:
        images.images({"a": {"image": "other:1"}}, {}, pin=True)
    assert "docker pull other:1" in caught.value.remedy


def test_targets_need_a_port():
    assert (
        targets.targets("shop", [{"a": {"x-towline": {"role": "app", "port": 1}}, "b": None}])
        is None
    )
    with pytest.raises(UsageError, match="has metrics but no port"):
        targets.targets("shop", [{"a": {"x-towline": {"metrics": "/metrics"}}}])
    with pytest.raises(UsageError, match="service a, x-towline"):
        targets.targets("shop", [{"a": {"x-towline": {"metric": "/metrics"}}}])


def test_without_a_compose_file_there_is_little(root, wheels):
    (root / "deploy/docker/docker-compose.prod.yml").unlink()
    assert sorted(generated_files(load(root), "1.0.0")) == [
        "generated/release.env",
        "generated/secrets.example",
    ]
    assert variables(load(root)) == set()
    write(root, {"deploy/docker/docker-compose.prod.yml": "a: [\n"})
    with pytest.raises(UsageError, match="is not valid YAML"):
        generated_files(load(root), "1.0.0")


def test_a_service_that_is_no_mapping_is_left_to_compose(tmp_path):
    file = tmp_path / "compose.yml"
    file.write_text("services: {web: 'nginx:1.27', api: {image: x}}\n")
    assert merged_services([file]) == {"api": {"image": "x"}}


BASE = "services: {web: {image: a, build: ., x-towline: {role: app, port: 80}}}\n"


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("services: {web: }\n", {}),
        ("services:\n", {}),
        ("services: {web: {image: , build: }}\n", {}),
        ("services: {web: {x-towline: }}\n", {"x-towline": ...}),
        ("services: {web: !reset null}\n", None),
        ("services: {web: {image: b, build: !reset null}}\n", {"image": "b", "build": None}),
        ("services: {web: {x-towline: {role: job}}}\n", {"x-towline": {"role": "job"}}),
        ("services: {web: {image: b}}\n---\nservices: {web: {build: x}}\n",
         {"image": "b", "build": "x"}),
        ("services: {web: {image: b}}\n---\nservices: {web: }\n", {"image": "b"}),
    ],
)  # fmt: skip
def test_services_are_merged_as_compose_does(tmp_path, override, changed):
    """Nothing below a name changes nothing; `!reset` takes away; documents are like files."""
    base, other = tmp_path / "base.yml", tmp_path / "other.yml"
    base.write_text(BASE)
    other.write_text(override)
    whole = {"image": "a", "build": ".", "x-towline": {"role": "app", "port": 80}}
    wanted = {key: value for key, value in (whole | (changed or {})).items() if value is not None}
    wanted = {key: None if value is ... else value for key, value in wanted.items()}
    expected = {} if changed is None else {"web": wanted}
    assert merged_services([base, other]) == expected
    base.write_text(f"{BASE}---\n{override}")
    assert merged_services([base]) == expected
    assert read_compose(base).get("services", {}) == expected


@pytest.mark.parametrize(("given", "lost"), [("{role: app}", "port"), ("", "port, role")])
def test_an_extension_that_loses_keys_is_found_in_a_second_document(tmp_path, given, lost):
    file = tmp_path / "base.yml"
    file.write_text(f"{BASE}---\nservices: {{web: {{x-towline: {given} }}}}\n")
    with pytest.raises(UsageError, match=rf"service web: .* lacks {lost}$"):
        require_whole_extensions([file])


@pytest.mark.parametrize("text", ["a: [\n", "a: 2026-13-45\n", "a: 1\n--- b\n: - c: ]", "a: \0"])
def test_a_compose_file_that_is_not_yaml_is_told_by_whoever_reads_it(tmp_path, text):
    file = tmp_path / "base.yml"
    file.write_text(text)
    for reads in (merged_services, require_whole_extensions):
        with pytest.raises(UsageError, match=r"base.yml: this compose file is not valid YAML"):
            reads([file])


def test_an_alias_that_contains_itself_is_told(tmp_path):
    file = tmp_path / "base.yml"
    file.write_text("services: {web: &web {image: a, build: *web}}\n")
    for reads in (read_compose, lambda file: merged_services([file])):
        with pytest.raises(UsageError, match="contains itself"):
            reads(file)


def test_what_environments_add_and_change_is_derived_too(root):
    settings = SETTINGS.partition("  requirements:")[0]
    files = "[docker/docker-compose.prod.yml, docker/prod.yml]"
    override = """\
services:
  api: { build: !reset null, x-towline: { role: app, port: 8000, metrics: /private } }
  db: { image: "postgres:${PG_VERSION:-16}" }
  queue: { image: "rabbit:3", x-towline: !override { role: backing, port: 9, metrics: /q } }
"""
    write(root, {
        "towline.yaml": f"{settings}environments: {{dev: {{}}, prod: {{compose: {files}}}}}\n",
        "deploy/docker/prod.yml": override,
    })  # fmt: skip
    derived = generated_files(load(root), "1.0.0")
    listed = json.loads(derived["generated/images.json"])
    assert sorted(listed) == ["api", "cache", "dev/db", "prod/db", "queue", "worker"]
    assert listed["dev/db"] == {"image": "postgres:15"}
    assert listed["prod/db"] == {"image": "postgres:16"}
    groups = json.loads(derived["generated/prometheus/targets.json"])
    found = [(group["targets"][0], group["labels"]["__metrics_path__"]) for group in groups]
    assert found == [("api:8000", "/metrics"), ("api:8000", "/private"), ("queue:9", "/q")]
    assert {"PG_VERSION", "DB_IMAGE"} <= variables(load(root))


@pytest.mark.parametrize("order", [("dev", "prod"), ("prod", "dev")])
def test_what_one_environment_builds_needs_no_digest_in_another(root, monkeypatch, order):
    """The base builds, production only pulls: the version is not built yet when it is promoted."""
    settings = SETTINGS.partition("  requirements:")[0]
    files = "[docker/docker-compose.prod.yml, docker/prod.yml]"
    given = {"dev": "{}", "prod": f"{{compose: {files}}}"}
    environments = ", ".join(f"{name}: {given[name]}" for name in order)
    write(root, {
        "towline.yaml": f"{settings}  pin_images: true\nenvironments: {{{environments}}}\n",
        "deploy/docker/docker-compose.prod.yml": (
            "services: {api: {image: 'acme/api:${TOWLINE_VERSION}', build: ..}, db: {image: pg:15}}"
        ),
        "deploy/docker/prod.yml": "services: { api: { build: !reset null } }\n",
    })  # fmt: skip
    asked = []
    monkeypatch.setattr(images, "_digest", lambda name: asked.append(name) or "sha256:1")
    listed = json.loads(generated_files(load(root), "1.0.0")["generated/images.json"])
    assert asked == ["pg:15"]
    assert listed["api"] == {"image": "acme/api:1.0.0"}
