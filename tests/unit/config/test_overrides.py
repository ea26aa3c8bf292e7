"""Sections at the top and inside an environment, their order, and old names of keys."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from towline.config import overrides
from towline.config.loading import load
from towline.config.models import Environment, Settings, TowlineFile
from towline.config.overrides import SECTIONS, merge
from towline.errors import UsageError

SEVERAL = """\
project: shop
compose: docker/base.yml
smoke:
  retries: 5
  requests:
    - path: /health
    - path: /api
rollout: { replicas: 2, drain: 1m }
registries:
  ghcr.io: { username: bot, password: GHCR_TOKEN }
secrets: [LICENCE]
checks: { disk_free: 1GB }
environments:
  prod:
    after: staging
    compose: [docker/base.yml, docker/prod.yml]
    smoke:
      requests: [{ path: /shop, timeout: 500ms }]
    rollout: { replicas: 6 }
    registries:
      ghcr.io: { password: PROD_TOKEN }
      quay.io: { username: other, password: QUAY }
    secrets: [SEAL]
  dev: {}
  staging: { after: dev, checks: { certificate_days: 3 } }
"""


def project(folder, text):
    (folder / "towline.yaml").write_text(text)
    return load(folder)


def refused(folder, text):
    with pytest.raises(UsageError) as error:
        project(folder, text)
    assert error.value.exit_code == 2
    return [error.value.message.replace(f"{folder}/", ""), *error.value.details]


def test_an_environments_keys_win_deeply(tmp_path):
    found = project(tmp_path, SEVERAL)
    dev, prod = found.environment("dev"), found.environment("prod")
    assert (dev.rollout.replicas, dev.rollout.drain) == (2, 60)
    assert (prod.rollout.replicas, prod.rollout.drain) == (6, 60)
    assert (prod.smoke.retries, dev.smoke.retries) == (5, 5)
    assert {name: item.password for name, item in prod.registries.items()} == {
        "ghcr.io": "PROD_TOKEN",
        "quay.io": "QUAY",
    }
    assert prod.registries["ghcr.io"].username == "bot"
    assert list(dev.registries) == ["ghcr.io"]
    staging = found.environment("staging")
    assert (staging.checks.disk_free, staging.checks.certificate_days) == (10**9, 3)


def test_lists_are_replaced(tmp_path):
    found = project(tmp_path, SEVERAL)
    assert [item.path for item in found.environment("prod").smoke.requests] == ["/shop"]
    assert [item.path for item in found.environment("dev").smoke.requests] == ["/health", "/api"]
    assert found.environment("prod").secrets == ["SEAL"]
    assert found.environment("dev").secrets == ["LICENCE"]
    assert found.compose_files("prod") == (
        tmp_path / "deploy/docker/base.yml",
        tmp_path / "deploy/docker/prod.yml",
    )
    assert found.compose_files("dev") == (tmp_path / "deploy/docker/base.yml",)


def test_every_section_may_be_overridden_or_says_that_it_may_not(tmp_path):
    others = {"project", "source", "deploy", "versions", "promote", "environments"}
    assert set(TowlineFile.model_fields) == {*SECTIONS, *others}
    assert set(Settings.model_fields) == others
    assert set(SECTIONS) < set(Environment.model_fields)
    for name in sorted(others - {"environments"}):
        (line,) = refused(tmp_path, f"project: shop\nenvironments:\n  prod:\n    {name}: {{}}\n")
        assert line == (
            f"towline.yaml:4: `environments.prod.{name}` is the same in all environments: "
            f"write `{name}` at the top"
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "project: x\nenvironments:\n  prod:\n    smoke:\n      requests: [{}]\n",
            ["towline.yaml:5: `environments.prod.smoke.requests[0].path` is missing"],
        ),
        # At the top it is told once, though all environments have it.
        (
            "project: x\nrollout:\n  keep: 0\nenvironments: {a: {}, b: {}}\n",
            ["towline.yaml:3: `rollout.keep`: must be 1 or more"],
        ),
        (
            "project: x\nrollout: {keep: 0}\nenvironments: {a: {rollout: {keep: 1}}}\n",
            ["towline.yaml:2: `rollout.keep`: must be 1 or more"],
        ),
        (
            ("project: x\nrollout: {keep: 2}\nenvironments:\n  a: {}\n  b:\n    rollout:\n"
            "      keep: 0\n"),
            ["towline.yaml:7: `environments.b.rollout.keep`: must be 1 or more"],
        ),
        (
            "project: x\nenvironments:\n  a:\n    smoke:\n      retrys: 1\n",
            [
                ("towline.yaml:5: unknown key `environments.a.smoke.retrys`; did you mean "
                "`retries`?")
            ],
        ),
        (
            "project: x\nenvironments:\n  a: {smok: {}}\n",
            ["towline.yaml:3: unknown key `environments.a.smok`; did you mean `smoke`?"],
        ),
        (
            "project: x\nsmoke: {retrys: 1}\nenvironments: {a: {}, b: {}}\n",
            ["towline.yaml:2: unknown key `smoke.retrys`; did you mean `retries`?"],
        ),
        # Half of it is at the top, and neither half names a user.
        (
            ("project: x\nregistries: {r: {password: A}}\nenvironments:\n  a:\n"
            "    registries: {r: {password: B}}\n"),
            ["towline.yaml:5: `environments.a.registries.r.username` is missing"],
        ),
        (
            "project: x\nregistries:\n  r: {password: A}\n",
            ["towline.yaml:3: `registries.r.username` is missing"],
        ),
        (
            "project: x\nsmoke: {retries: 1}\nenvironments:\n  a: {smoke: 3}\n",
            ["towline.yaml:4: `environments.a.smoke`: must be a section of `key: value`"],
        ),
        (
            "project: x\nenvironments:\n  a: 3\n",
            ["towline.yaml:3: `environments.a`: must be a section of `key: value`"],
        ),
        ("project: x\nenvironments: {}\n", ["towline.yaml:2: `environments`: must not be empty"]),
        ("project: x\ncompose: []\n", ["towline.yaml:2: `compose`: must not be empty"]),
        (
            "project: x\ncompose: [a, 1]\n",
            ["towline.yaml:2: `compose[1]`: must be text"],
        ),
        (
            "project: x\nenvironments:\n  prod: {after: stagin}\n  staging: {}\n",
            [
                ("towline.yaml:3: `environments.prod.after`: unknown environment 'stagin'; did you "
                "mean `staging`?")
            ],
        ),
        (
            "project: x\nenvironments:\n  a: {after: c}\n  b: {after: a}\n  c: {after: b}\n",
            [
                ("towline.yaml:3: `environments.a.after`: environments come after each other in a "
                "circle: a → c → b → a")
            ],
        ),
        (
            "project: x\nenvironments:\n  a: {after: a}\n",
            [
                ("towline.yaml:3: `environments.a.after`: environments come after each other in a "
                "circle: a → a")
            ],
        ),
        (
            "project: x\nrollout: &r {keep: *r}\nenvironments: {a: {rollout: *r}}\n",
            ["towline.yaml:2: an alias (`*`) contains itself"],
        ),
        (
            "project: x\nenvironments: {1: {}}\n",
            ["towline.yaml:2: `environments`: a name must be text: write '1' in quotes"],
        ),
        ("1: 2\nproject: x\n", ["towline.yaml:1: `[1]`: a name must be text: write it in quotes"]),
        (
            "project: x\ncompose: {a: b}\n",
            ["towline.yaml:2: `compose`: write a file, or a list of files"],
        ),
        (
            "project: x\nenvironments:\n  prod: {}\n  a: {}\n  prod: {url: x}\n",
            ["towline.yaml:5: `prod` is written twice, first on line 3"],
        ),
    ],
)  # fmt: skip
def test_mistakes_are_named_where_they_are_written(tmp_path, text, said):
    assert refused(tmp_path, text) == said


@pytest.mark.parametrize(
    "path", ["../prod.yml", "docker/../../prod.yml", "/srv/prod.yml", "..", ".", ""]
)
def test_a_compose_file_lies_in_the_deploy_tree(tmp_path, path):
    """What lies elsewhere is not promoted, and would be missing in every retained release."""
    said = f"{path!r} is no file in the deploy tree: write a path relative to it, without `..`"
    for written in (f"'{path}'", f"[docker/base.yml, '{path}']"):
        assert refused(tmp_path, f"project: x\ncompose: {written}\n") == [
            f"towline.yaml:2: `compose`: {said}"
        ]


def test_a_compose_file_may_be_reached_by_any_way_inside(tmp_path):
    found = project(tmp_path, "project: x\ncompose: ./docker/../..base/a.yml\n")
    assert found.environment("local").compose == ["./docker/../..base/a.yml"]


def test_an_alias_may_be_merged_and_overridden(tmp_path):
    text = "project: x\nenvironments:\n  a: &a {confirm: true, rollout: {keep: 2}}\n"
    found = project(tmp_path, f"{text}  b:\n    <<: *a\n    confirm: false\n")
    assert found.environment("a").confirm
    assert not found.environment("b").confirm
    assert found.environment("b").rollout.keep == 2


def test_environments_are_listed_in_their_order(tmp_path):
    found = project(tmp_path, SEVERAL)
    assert found.names() == ["dev", "staging", "prod"]
    assert found.environment("prod").after == "staging"
    with pytest.raises(UsageError) as error:
        found.environment("test")
    assert error.value.remedy == "towline.yaml knows: dev, staging, prod"


@pytest.mark.parametrize(
    ("section", "old", "new", "given"),
    [
        ("versions", "zero", "pre_1_0", {"major": "minor"}),
        ("rollout", "watch", "bake_time", "7s"),
        ("rollout", "hosts_at_once", "batch_size", 3),
        ("rollout", "parallel", "concurrency", 4),
        ("smoke.requests", "within", "timeout", "3s"),
        ("smoke.websockets", "within", "timeout", "3s"),
    ],
)
def test_an_old_name_works_with_a_warning(tmp_path, section, old, new, given):
    def written(name):
        outer, _, inner = section.partition(".")
        return {outer: {inner: [{"path": "/", name: given}]} if inner else {name: given}}

    where = f"{section}[0]" if "." in section else section
    places = [({}, "")] if section == "versions" else [({}, ""), ({"local": {}}, "local")]
    for environments, name in places:

        def text(key, environments=environments, name=name):
            data = {"project": "shop", "environments": {"local": {}}}
            if name:
                return yaml.safe_dump({**data, "environments": {name: written(key)}})
            return yaml.safe_dump({**data, **written(key)})

        today, before = project(tmp_path, text(new)), None
        assert today.warnings == ()
        before = project(tmp_path, text(old))
        assert before.settings == today.settings
        (line,) = before.warnings
        place = f"environments.{name}.{where}" if name else where
        number = next(i for i, row in enumerate(text(old).splitlines(), 1) if f"{old}:" in row)
        assert line == (
            f"towline.yaml:{number}: `{place}.{old}` is called `{new}` now; the old name works "
            "until 0.8.0"
        )


def test_a_mistake_under_an_old_name_is_told_by_it(tmp_path):
    (line,) = refused(tmp_path, "project: x\nrollout: {watch: soon}\n")
    assert line.startswith("towline.yaml:2: `rollout.watch`: 'soon' is not a duration")
    (line,) = refused(
        tmp_path, "project: x\nenvironments: {p: {smoke: {requests: [{path: /, within: x}]}}}\n"
    )
    assert line.startswith("towline.yaml:2: `environments.p.smoke.requests[0].within`: 'x' is not")


def test_two_names_of_one_key_are_refused(tmp_path):
    (line,) = refused(tmp_path, "project: x\nrollout: {watch: 1, bake_time: 2}\n")
    assert "`rollout.watch` and `bake_time` are two names of one key" in line


def test_an_old_name_at_the_top_and_the_new_one_in_an_environment(tmp_path):
    own = "environments: {a: {}, b: {rollout: {bake_time: 2}}}"
    found = project(tmp_path, f"project: x\nrollout: {{watch: 1}}\n{own}\n")
    assert found.environment("a").rollout.bake_time == 1
    assert found.environment("b").rollout.bake_time == 2


VALUES = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(VALUES, VALUES)
def test_merging_keeps_all_that_is_not_overridden(general, own):
    found = merge(general, own)
    assert merge(found, own) == found
    assert merge({}, own) == own
    if isinstance(general, dict) and isinstance(own, dict):
        assert found.keys() == general.keys() | own.keys()
        for key in general.keys() - own.keys():
            assert found[key] == general[key]
    else:
        assert found == own


@pytest.mark.parametrize(("environments", "left"), [
    ({"dev": {"smoke": {}}, "prod": {"smoke": {}, "rollout": {}}}, ["smoke"]),
    ({"dev": {"smoke": {}}, "prod": {}}, []),
    ({"dev": {"smoke": {}}, "prod": None}, ["smoke"]),
    ({}, ["smoke", "rollout"]),
    ("no mapping", ["smoke", "rollout"]),
])  # fmt: skip
def test_only_what_is_in_force_nowhere_as_it_is_written_is_validated_by_itself(environments, left):
    data = {"smoke": {"retries": 1}, "rollout": {"keep": 2}, "environments": environments}
    assert list(overrides.replaced_everywhere(data)) == left


def test_a_file_without_environments_is_validated_once():
    assert overrides.replaced_everywhere({"project": "shop", "smoke": {"retries": 1}}) == {}
