import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.routing.nginx import Backend, Routes, parse, parse_file, render, variable
from towline.routing.policy import Policy

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


def test_all_traffic_to_one_slot_is_a_plain_address():
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
    assert empty.live_slot() is None


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


def test_the_slot_with_most_traffic_is_live():
    some = Routes("g", {"web": Backend(80, {"blue": 25, "green": 75})})
    assert some.live_slot() == "green"
    assert some.share("blue") == 25


def test_a_release_that_listens_on_another_port_gets_its_share_there():
    backend = Backend(8000, {"blue": 90, "green": 10}, {"green": 9000})
    text = render(Routes("g", {"web": backend}))
    assert "    90% web-blue:8000;\n    * web-green:9000;" in text
    assert parse_file(text).backends["web"] == backend


def test_a_slot_whose_containers_are_named_one_by_one_keeps_its_share():
    only = {"blue": ("p-web-1", "p-web-2", "p-web-3")}
    backend = Backend(8000, {"blue": 75, "green": 25}, only=only)
    text = render(Routes("g", {"web": backend}))
    assert parse_file(text).backends["web"] == backend
    # Not by the same key: a slot's share would then always be the same of its containers.
    assert (
        'split_clients "$request_id.blue" $of_blue_towline_web {\n    33.33% p-web-1:8000;\n'
        "    33.33% p-web-2:8000;\n    * p-web-3:8000;\n}\n"
    ) in text
    assert (
        'split_clients "$request_id" $slot_of_towline_web {\n    75% blue;\n    * green;\n}\n'
    ) in text
    assert "    blue $of_blue_towline_web;\n    green web-green:8000;\n" in text


def test_a_single_container_is_named_by_itself():
    backend = Backend(8000, {"blue": 100}, only={"blue": ("p-web-1",)})
    assert "default p-web-1:8000;" in render(Routes("g", {"web": backend}))


def test_a_service_that_one_release_has_alone_tells_nothing_about_shares():
    split = Backend(80, {"blue": 90, "green": 10})
    alone = Backend(80, {"green": 100})
    found = Routes("g", {"web": split, "added": alone, "also": alone})
    assert (found.live_slot(), found.share("green"), found.share("blue")) == ("blue", 10, 90)


SPLIT = {"web": Backend(8000, {"blue": 90, "green": 10})}


@pytest.mark.parametrize(
    ("policy", "key", "lines"),
    [
        (Policy("address"), "$remote_addr", []),
        (
            Policy("header", "X-User-Id"), "$stick_towline",
            ["map $http_x_user_id $stick_towline {", "    default $http_x_user_id;",
             '    "" $request_id;'],
        ),
        (
            Policy("cookie"), "$stick_towline",
            ["map $cookie_towline_release $stick_towline {",
             "map $cookie_towline_release $set_stick_towline {",
             '    "" "towline_release=$request_id; Path=/; HttpOnly; SameSite=Lax";',
             "add_header Set-Cookie $set_stick_towline always;"],
        ),
    ],
)  # fmt: skip
def test_users_stay_with_a_release_by_what_they_are_recognized_by(policy, key, lines):
    wanted = Routes("g", SPLIT, policy=policy)
    text = render(wanted)
    assert f'split_clients "{key}" $towline_web {{' in text
    assert [line for line in lines if line not in text.splitlines()] == []
    assert parse_file(text) == wanted


def test_a_header_reaches_the_new_release_before_it_has_any_traffic():
    policy = Policy(preview_header="X-Release", preview_value="new", preview_slot="green")
    wanted = Routes("g", {"web": Backend(8000, {"blue": 100, "green": 0})}, policy=policy)
    text = render(wanted)
    assert parse_file(text) == wanted
    assert 'map $http_x_release $preview_towline {\n    default "";\n    "new" green;\n}' in text
    assert (
        "map $preview_towline $slot_of_towline_web {\n    default blue;\n    green green;" in text
    )
    assert "    blue web-blue:8000;\n    green web-green:8000;\n" in text


def test_a_cookie_reaches_the_new_release_whatever_its_share_is():
    policy = Policy("address", preview_cookie="release", preview_value="v2", preview_slot="green")
    text = render(Routes("g", SPLIT, policy=policy))
    assert "map $cookie_release $preview_towline {" in text
    assert 'split_clients "$remote_addr" $share_of_towline_web {\n    90% blue;' in text
    assert "    default $share_of_towline_web;\n    green green;" in text


def test_a_service_that_the_new_release_lacks_has_no_preview():
    policy = Policy(preview_header="X-Release", preview_value="new", preview_slot="green")
    text = render(Routes("g", {"web": Backend(8000, {"blue": 100})}, policy=policy))
    assert 'map "" $towline_web {\n    default web-blue:8000;' in text
