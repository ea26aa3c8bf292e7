import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.environments import default_env_file, env_file
from towline.config.loading import load, override_strategy
from towline.config.units import format_duration, parse_duration, parse_size
from towline.errors import UsageError


def write(folder, text):
    (folder / "towline.yaml").write_text(text)
    return folder


def test_ten_lines_are_enough(tmp_path):
    project = load(
        write(tmp_path, "project: shop\nenvironments: {prod: {rollout: {bake_time: 1m}}}\n")
    )
    assert project.compose_files("prod") == (tmp_path / "deploy/docker/docker-compose.prod.yml",)
    assert project.environment("prod").rollout.bake_time == 60
    assert project.environment("prod").rollout.keep == 3
    assert project.environment("prod").rollout.strategy == "blue-green"


def test_it_is_found_from_any_folder_below(tmp_path):
    write(tmp_path, "project: shop\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert load(tmp_path / "a" / "b").root == tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("project: [x\n", "towline.yaml:2 is not valid YAML"),
        ("- a\n", "is not a mapping"),
        ("source: x\n", "`project` is missing"),
        ("project: Shop!\n", "`project`"),
        ("project: x\nsmok: {}\n", "unknown key `smok`; did you mean `smoke`?"),
        ("project: x\nsmoke: {requests: [{pth: /}]}\n", "did you mean `path`?"),
        ("project: x\nrollout: {strategy: fast}\n", "`rollout.strategy`"),
        ("project: x\nrollout: {keep: 0}\n", "`rollout.keep`"),
        ("project: x\nrollout: {replicas: 0}\n", "`rollout.replicas`: write a number above 0"),
        ("project: x\nrollout: {replicas: {web: many}}\n", "`rollout.replicas`: write a number"),
        ("project: x\nrollout: {bake_time: soon}\n", "'soon' is not a duration"),
        ("project: x\nenvironments: {p: {ulr: y}}\n", "did you mean `url`?"),
        ("project: x\nenvironments: {p: {rollout: {kep: 1}}}\n", "did you mean `keep`?"),
        ("project: x\nchecks: {disk_free: much}\n", "'much' is not a size"),
    ],
)
def test_mistakes_are_named_with_place_and_suggestion(tmp_path, text, said):
    with pytest.raises(UsageError) as error:
        load(write(tmp_path, text))
    assert said in error.value.message
    assert "towline.yaml" in error.value.message
    assert error.value.remedy


def test_every_mistake_is_told_at_once(tmp_path):
    with pytest.raises(UsageError) as error:
        load(write(tmp_path, "project: x\nfirst: 1\nsecond: 2\n"))
    assert len(error.value.details) == 1


def test_unknown_names_are_refused_with_those_that_are_known(tmp_path):
    project = load(write(tmp_path, "project: x\nenvironments: {prod: {}, staging: {}}\n"))
    with pytest.raises(UsageError, match="did you mean `staging`") as error:
        project.environment("stagin")
    assert "prod, staging" in error.value.remedy
    with pytest.raises(UsageError, match="unknown strategy 'canry'"):
        override_strategy(project, "prod", "canry")
    assert (
        override_strategy(project, "prod", "recreate").environment("prod").rollout.strategy
        == "recreate"
    )
    assert project.environment("prod").rollout.strategy == "blue-green"


def test_an_environments_file_is_looked_for_in_order(tmp_path):
    project = load(write(tmp_path, "project: x\nenvironments: {prod: {}, own: {env_file: e}}\n"))
    assert env_file(project, "prod") is None
    assert default_env_file(project, "prod") == tmp_path / ".env.prod"
    for name in (".env", ".env.prod", "config/prod.env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        assert env_file(project, "prod") == tmp_path / name
    with pytest.raises(UsageError, match="env_file of own, does not exist"):
        env_file(project, "own")


@given(st.floats(0, 10**6).map(lambda value: round(value, 3)))
def test_numbers_are_seconds(seconds):
    assert parse_duration(seconds) == parse_duration(f"{seconds:f}s") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("90s", 90), ("1h30m", 5400), ("2d", 172800), (0, 0)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 s x", "-5s", "s", None, True, -1])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r"is not a duration|is negative"):
        parse_duration(text)


def test_sizes():
    assert parse_size("2GB") == 2 * 10**9
    assert parse_size("1.5 KiB") == 1536
    assert parse_size(7) == 7


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (42, "42 s"), (185, "3 m 05 s"), (7800, "2 h 10 m"),
     (350000, "4 d 1 h")],
)  # fmt: skip
def test_durations_for_people(seconds, text):
    assert format_duration(seconds) == text
