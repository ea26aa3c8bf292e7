"""What commands print as JSON: its shape is fixed, and docs/json.md describes all of it."""

import json
import re
from pathlib import Path

import pytest
from fakes import FakeHostEnvironment
from shapes import SHAPES, assert_shape

from towline.environments.host_environment import Fleet
from towline.errors import UsageError
from towline.findings import Finding, Severity
from towline.insight import health, retained, status
from towline.insight.history import operations
from towline.insight.past_steps import show_operation
from towline.tasks import check, terminal
from towline.tasks import history as history_task

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs/json.md").read_text()
# A plan says its own name.
_NAMED = re.compile(r'say_json(?:_list)?\(\s*"([\w-]+)"')
_PLANS = re.compile(r'schema: ClassVar\[str\] = "([\w-]+)"')


@pytest.fixture
def said(capsys):
    def read(schema, data, rows=""):
        if rows:
            terminal.say_json_list(schema, rows, data)
        else:
            terminal.say_json(schema, data)
        return json.loads(capsys.readouterr().out)

    return read


@pytest.fixture
def site(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.environment = site.project.environment("local")
    site.serve(site.keep("1.0.0"))
    site.journal.write("a", "begin", data={"kind": "deploy", "release": "1.0.0"})
    with site.journal.step("a", "switch"):
        pass
    site.journal.write("a", "end", data={"ok": True})
    site.journal.write("b", "note", "hold", {"reason": "the bug"})
    return site


def test_every_schema_is_described_and_has_a_shape():
    tasks = "\n".join(path.read_text() for path in sorted((ROOT / "tasks").glob("*.py")))
    plans = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    names = {*_NAMED.findall(tasks), *_PLANS.findall(plans)}
    assert {f"towline.{name}/1" for name in names} == set(SHAPES)
    assert set(re.findall(r"^## `(towline\.[\w-]+/\d+)`", DOCS, re.M)) == set(SHAPES)


@pytest.mark.parametrize("schema", SHAPES)
def test_every_field_is_described_and_no_other(schema):
    section = DOCS.partition(f"## `{schema}`")[2].partition("\n## ")[0]
    described = re.findall(r"^\| `([\w.\[\]*]+)`", section, re.M)
    fields = list(_fields(SHAPES[schema]))
    if schema == "towline.outcome/1":
        # It is a plan, and what came of it.
        plan = set(_fields(SHAPES["towline.plan/1"]))
        fields = [name for name in fields if name not in plan]
    assert sorted(described) == sorted(fields)


def _fields(shape, before=""):
    for name, inner in shape.items():
        plain = name.rstrip("?")
        if plain in ("schema", "null", "*"):
            continue
        yield f"{before}{plain}"
        is_list = isinstance(inner, list)
        inner = inner[0] if is_list else inner
        # Who did something is described once, below.
        if isinstance(inner, dict) and plain not in ("actor", "locked_by"):
            yield from _fields(inner, f"{before}{plain}{'[]' if is_list else ''}.")


def test_status(site, said):
    data = said("status", status.fleet_status(Fleet((site,))).data())
    assert data["since"]["seconds"] >= 0
    assert_shape(data)
    site.remote = True
    assert_shape(said("status", status.fleet_status(Fleet((site,))).data()))


def test_status_of_nothing(tmp_path, said):
    site = FakeHostEnvironment(tmp_path)
    site.environment = site.project.environment("local")
    data = said("status", status.fleet_status(Fleet((site,))).data())
    assert data["live"] is data["since"] is data["locked_by"] is None
    assert_shape(data)


def test_history(site, said):
    rows = [history_task._data(item) for item in operations(site, last=9)]
    data = said("history", rows, "operations")
    assert [row["operation"] for row in data["operations"]] == ["hold", "deploy"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", data["operations"][0]["began_at"])
    assert_shape(data)


def test_one_operation(site, said):
    verdict = {"gate": "analysis", "outcome": "fail", "text": "no", "figures": {"p95": 1.5}}
    site.journal.write("c", "begin", data={"kind": "deploy", "release": "1.1.0"})
    failed = {"ok": False, "error": "gate analysis failed", "verdicts": [verdict]}
    site.journal.write("c", "intent", "switch")
    site.journal.write("c", "outcome", "switch", failed)
    site.journal.write("c", "intent", "restore")
    operation, steps = show_operation(site, "c")
    rows = [item.data() for item in steps]
    data = said("operation", {**history_task._data(operation), "steps": rows})
    assert_shape(data)
    assert [(row["name"], row["result"]) for row in rows] == [
        ("switch", "failed"), ("restore", "interrupted"),
    ]  # fmt: skip
    assert rows[0]["verdicts"] == [{**verdict, "host": ""}]
    with pytest.raises(UsageError, match="no operation 'x'"):
        show_operation(site, "x")


def test_retained_releases(site, said):
    found = retained.retained(Fleet((site,)))
    assert_shape(said("releases", [item.data() for item in found.releases], "releases"))


def test_health(site, said):
    site.engine.containers = {("blue", "api"): ("1.0.0", True)}
    rows = [item.data() for item in health.report(Fleet((site,)))]
    data = said("health", rows, "services")
    assert {row["service"] for row in data["services"]} == {"api", "db", "nginx", "worker"}
    assert_shape(data)


def test_findings(capsys):
    check.show([Finding("disk", Severity.OK, "10 GB free")], json=True)
    assert_shape(json.loads(capsys.readouterr().out))


def test_a_field_that_is_missing_new_or_of_another_kind_is_found(said):
    data = said("lead", {"lead": "web1", "away": []})
    assert_shape(data)
    for changed in ({"lead": None}, {"more": 1}, {"away": [1]}, {"away": None}):
        with pytest.raises(AssertionError, match=r"towline\.lead/1"):
            assert_shape({**data, **changed})
    with pytest.raises(AssertionError, match="lead is missing"):
        assert_shape({"schema": data["schema"], "away": []})


def test_bare_lists_come_back_for_a_while(monkeypatch, capsys):
    monkeypatch.setenv("TOWLINE_JSON_LISTS", "1")
    terminal.say_json_list("history", "operations", [{"id": "a"}])
    printed = capsys.readouterr()
    assert json.loads(printed.out) == [{"id": "a"}]
    assert "TOWLINE_JSON_LISTS goes with 0.8.0: read `.operations`" in printed.err
