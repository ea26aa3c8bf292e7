import json
import re
from pathlib import Path

import pytest
import yaml

from towline.config.analysis_section import Analysis, Check, Score
from towline.config.deploy_sections import (
    Checks,
    HttpSmoke,
    Registry,
    Rollout,
    Smoke,
    WebSocketSmoke,
)
from towline.config.guard_section import (
    ChecksTrigger,
    DatabaseTrigger,
    ErrorsTrigger,
    Guard,
    HealthTrigger,
    ServiceDownTrigger,
    Triggers,
)
from towline.config.loading import settings_of
from towline.config.models import Environment, TowlineFile
from towline.config.overrides import SECTIONS as OVERRIDABLE
from towline.config.probes import (
    CommandProbe,
    GrafanaProbe,
    HttpProbe,
    PostgresProbe,
    PrometheusProbe,
    RedisProbe,
    TcpProbe,
    WebSocketProbe,
)
from towline.config.progressive import Canary, Preview, Rolling
from towline.config.release_sections import Promotion, VersionPattern, Versions
from towline.config.schema import FOLDER, json_schema, schemas, service_schema, write_schemas
from towline.config.services import Role, Service, service_settings
from towline.scaffold.scaffold import plan_scaffold, write_scaffold

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs/configuration.md").read_text()
SECTIONS = {
    "The top level": TowlineFile,
    "versions": Versions,
    "version pattern": VersionPattern,
    "promote": Promotion,
    "smoke": Smoke,
    "smoke.requests": HttpSmoke,
    "smoke.websockets": WebSocketSmoke,
    "rollout": Rollout,
    "rollout.canary": Canary,
    "rollout.canary.preview": Preview,
    "rollout.rolling": Rolling,
    "checks": Checks,
    "analysis": Analysis,
    "analysis.checks": Check,
    "analysis.score": Score,
    "guard": Guard,
    "guard.triggers": Triggers,
    "guard.triggers.health": HealthTrigger,
    "guard.triggers.service_down": ServiceDownTrigger,
    "guard.triggers.database": DatabaseTrigger,
    "guard.triggers.errors": ErrorsTrigger,
    "guard.triggers.checks": ChecksTrigger,
    "registries": Registry,
    "environments": Environment,
    "x-towline, in the Compose file": Service,
    "health": HttpProbe,
    "health: tcp": TcpProbe,
    "health: websocket": WebSocketProbe,
    "health: postgres": PostgresProbe,
    "health: redis": RedisProbe,
    "health: prometheus": PrometheusProbe,
    "health: grafana": GrafanaProbe,
    "health: command": CommandProbe,
}
REQUIRED = {
    TowlineFile: {"project": "x"},
    Check: {"pass": "< 5%"},
    HttpSmoke: {"path": "/"},
    Registry: {"username": "x", "password": "X"},
    WebSocketSmoke: {"path": "/"},
    TcpProbe: {"kind": "tcp"},
    WebSocketProbe: {"kind": "websocket"},
    PostgresProbe: {"kind": "postgres"},
    RedisProbe: {"kind": "redis"},
    PrometheusProbe: {"kind": "prometheus"},
    GrafanaProbe: {"kind": "grafana"},
    CommandProbe: {"kind": "command", "command": "true"},
    VersionPattern: {"file": "x", "pattern": "{version}"},
}


def rows(section):
    """key -> default, from the first table below a heading of docs/configuration.md."""
    text = re.split(rf"^#+ {re.escape(section)}$", DOCUMENT, flags=re.M)[1]
    table = re.search(r"^\| key \|.*?(?=\n\n)", text, re.M | re.S)[0].splitlines()[2:]
    cells = ([cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table)
    return {cell[0].strip("`"): cell[2] for cell in cells}


@pytest.mark.parametrize("file", schemas())
def test_the_published_schema_is_what_the_models_say(file):
    published = json.loads((FOLDER / file).read_text())
    assert published == schemas()[file], "run: python -m towline.config.schema"


def test_schemas_can_be_written_elsewhere(tmp_path):
    assert sorted(path.name for path in write_schemas(tmp_path)) == sorted(schemas())


def editor(folder):
    """What an editor says of a project's towline.yaml, by the schema that its first line names."""
    from jsonschema import Draft202012Validator

    text = (folder / "towline.yaml").read_text()
    named = re.match(r"# yaml-language-server: \$schema=(\S+)$", text.splitlines()[0])[1]
    schema = json.loads((folder / named).read_text())
    Draft202012Validator.check_schema(schema)
    errors = Draft202012Validator(schema).iter_errors(yaml.safe_load(text))
    return [error.message for error in errors]


def test_editors_find_the_schema_and_accept_what_init_writes(tmp_path):
    write_scaffold(plan_scaffold(tmp_path))
    assert editor(tmp_path) == []
    assert editor(ROOT) == []
    file = tmp_path / "towline.yaml"
    file.write_text(file.read_text() + "    smoke: {retrys: 1}\n")
    (said,) = editor(tmp_path)
    assert "'retrys' was unexpected" in said


def test_editors_accept_every_example(tmp_path):
    write_scaffold(plan_scaffold(tmp_path))
    file = tmp_path / "towline.yaml"
    line = file.read_text().splitlines()[0]
    for example in examples():
        if "project" in example:
            file.write_text(f"{line}\n{yaml.safe_dump(example)}")
            assert editor(tmp_path) == []


def test_init_renews_the_schema_of_an_earlier_version_and_nothing_else(tmp_path):
    write_scaffold(plan_scaffold(tmp_path))
    schema, settings = tmp_path / "towline.schema.json", tmp_path / "towline.yaml"
    before = schema.read_text()
    schema.write_text("{}")
    settings.write_text("project: other\n")
    plan = plan_scaffold(tmp_path)
    assert "renew     towline.schema.json" in list(plan.lines())
    assert write_scaffold(plan) == [schema]
    assert schema.read_text() == before
    assert settings.read_text() == "project: other\n"
    # Whoever removed it does not want it.
    schema.unlink()
    assert write_scaffold(plan_scaffold(tmp_path)) == []


def test_unknown_keys_are_errors_in_editors_too():
    for schema in (json_schema(), service_schema()):
        objects = [part for part in (schema, *schema["$defs"].values()) if "properties" in part]
        assert all(part["additionalProperties"] is False for part in objects)


def test_docstrings_describe_the_keys():
    assert "Attributes" not in service_schema()["description"]
    for name, part in service_schema()["properties"].items():
        assert part["description"], name


def test_an_environment_offers_the_sections_of_the_top_without_their_defaults():
    top, own = json_schema()["properties"], json_schema()["$defs"]["Environment"]["properties"]
    for name in OVERRIDABLE:
        assert own[name] == {key: top[name][key] for key in top[name] if key != "default"}
    # A half of it may be written at the top.
    assert "required" not in json_schema()["$defs"]["Registry"]


@pytest.mark.parametrize(("section", "model"), SECTIONS.items(), ids=SECTIONS)
def test_every_key_is_documented_and_no_other(section, model):
    keys = {field.alias or name for name, field in model.model_fields.items()}
    # Those of the top level are told once, for environments too.
    assert set(rows(section)) == keys - set(OVERRIDABLE if model is Environment else ())


@pytest.mark.parametrize(("section", "model"), SECTIONS.items(), ids=SECTIONS)
def test_documented_defaults_are_the_real_ones(section, model):
    # One of a preview's keys is required, whichever.
    is_one_of = model is Preview
    real = Preview.model_construct() if is_one_of else model.model_validate(REQUIRED.get(model, {}))
    for name, field in model.model_fields.items():
        if model is Environment and name in OVERRIDABLE:
            continue
        shown = rows(section)[field.alias or name]
        if field.is_required():
            assert shown == "required"
        elif shown == "none":
            assert getattr(real, name) is None
        elif not shown.startswith("see "):
            given = yaml.safe_load(shown.strip("`"))
            written = {**REQUIRED.get(model, {}), field.alias or name: given}
            read = model.model_construct if is_one_of else lambda **keys: model.model_validate(keys)
            assert getattr(read(**written), name) == getattr(real, name), name


def test_every_model_of_the_schema_has_its_section():
    names = {model.__name__ for model in SECTIONS.values()}
    known = {"TowlineFile", "Service", *json_schema()["$defs"], *service_schema()["$defs"]}
    assert known - {"Role"} == names
    assert set(
        re.findall(r"^\| `(\w+)` \|", DOCUMENT.split("| role | at a deploy |")[1], re.M)
    ) >= {str(role) for role in Role}


def examples():
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.S)]


def test_the_examples_are_valid():
    settings = [example for example in examples() if "project" in example]
    compose = [example for example in examples() if "services" in example]
    assert len(settings) + len(compose) == len(examples()) >= 5
    for example in settings:
        settings_of(example)
    for example in compose:
        roles = {service_settings(body).role for body in example["services"].values()}
        assert roles == set(Role)
