import jinja2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from towline.templates import render, yaml_scalar


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_is_read_back_from_yaml(text):
    assert yaml.safe_load(f"key: {yaml_scalar(text)}\n") == {"key": text}


@pytest.mark.parametrize("text", ["src", ".", "/health", "src/my-app", "pyproject.toml"])
def test_ordinary_texts_stay_plain(text):
    assert yaml_scalar(text) == text


@pytest.mark.parametrize("text", ["yes", "Null", "3.14", "1_000", "a: b", "- x", "#x", "", "~"])
def test_texts_that_mean_something_else_are_quoted(text):
    assert yaml_scalar(text) != text
    assert yaml.safe_load(yaml_scalar(text)) == text


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="name"):
        render("deploy/docs/DEPLOYMENT.md")
