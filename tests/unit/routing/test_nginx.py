import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.routing.nginx import Backend, Routes, parse, parse_file, render, variable

shares = st.integers(0, 100).map(lambda blue: {"blue": blue, "green": 100 - blue})
names = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
routes = st.builds(
    Routes,
    st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    st.dictionaries(names, st.builds(Backend, st.integers(1, 65535), shares), max_size=3),
)


@given(routes)
def test_a_rendered_file_reads_back(wanted):
    assert parse_file(render(wanted)) == wanted


def test_all_traffic_to_one_colour_is_a_plain_address():
    text = render(Routes("g", {"web": Backend(8000, {"green": 100, "blue": 0})}))
    assert 'map "" $towline_web {\n    default web-green:8000;' in text
    assert "blue:" not in text


def test_shares_split_by_request():
    text = render(Routes("g", {"web": Backend(8000, {"green": 10, "blue": 90})}))
    assert 'split_clients "$request_id" $towline_web {' in text
    assert "90% web-blue:8000;" in text
    assert "* web-green:8000;" in text


def test_before_the_first_release_routes_lead_nowhere():
    empty = Routes("g", {"web": Backend(8000, {})})
    assert "default 127.0.0.1:9;" in render(empty)
    assert empty.live_colour() is None


def test_names_with_hyphens_are_variables():
    assert variable("my-app") == "$towline_my_app"


def test_idle_connections_survive_a_reload_where_nginx_can():
    assert "keepalive_min_timeout" in render(Routes(), nginx_version=(1, 27, 4))
    assert "keepalive_min_timeout" not in render(Routes(), nginx_version=(1, 22, 1))


@pytest.mark.parametrize("wrong", [{"blue": 50}, {"blue": 150, "green": -50}])
def test_shares_must_add_up(wrong):
    with pytest.raises(ValueError, match="percentages"):
        Backend(80, wrong)


@pytest.mark.parametrize("text", ["", "[]", '{"generation": 1}', "nginx"])
def test_other_answers_are_no_account(text):
    with pytest.raises(ValueError, match="account"):
        parse(text)


def test_the_colour_with_most_traffic_is_live():
    some = Routes("g", {"web": Backend(80, {"blue": 25, "green": 75})})
    assert some.live_colour() == "green"
    assert some.share("blue") == 25
