"""The router's request log: what is rendered for it, and how it is read, rotated or not."""

import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from towline.routing.nginx import Backend, Routes, parse_file, render, render_include
from towline.routing.policy import Policy
from towline.routing.request_log import FILE, parse_line, rotation_script
from towline.routing.request_reader import LogPosition, NoRequestLog, read_log

LOG = {"blue": "1.6.0", "green": "1.7.0+r2"}
LINE = (
    b'{"time":1790000000.125,"slot":"green","release":"1.7.0","service":"web","status":502,'
    b'"upstream_status":"502, 503","request_time":0.500,"upstream_response_time":"0.100, 0.250",'
    b'"request_id":"abc","bytes":321}'
)


def routes(**ports):
    backends = {name: Backend(port, {"blue": 90, "green": 10}) for name, port in ports.items()}
    return Routes("g", backends, log=LOG)


def test_routes_without_a_log_are_rendered_as_ever():
    text = render(Routes("g", {"web": Backend(8000, {"blue": 100})}))
    assert "log_format" not in text
    assert FILE not in text
    assert FILE not in render_include(Routes())


def test_the_slot_is_told_by_the_address_that_the_split_chose():
    text = render(routes(web=8000))
    assert 'map "$proxy_host|$towline_web" $towlinelog_slot {' in text
    assert '"~^(web)-green(:\\d+)?\\|" green;' in text
    assert 'green "1.7.0+r2";' in text
    assert f"access_log {FILE} towline if=$towlinelog_is_app;" in text
    assert FILE in render_include(routes(web=8000))
    assert parse_file(text) == routes(web=8000)


def slot_of(text, proxy_host, address):
    """What nginx's map makes of a request: the first rule that matches counts."""
    rules = re.search(r"\$towlinelog_slot \{\n(.*?)\}", text, re.DOTALL)[1]
    found = re.findall(r'"~(.*)" (\w+);', rules)
    given = f"{proxy_host}|{address}"
    return next((slot for rule, slot in found if re.search(rule, given)), "")


@pytest.mark.parametrize(
    ("proxy_host", "address", "slot"),
    [
        ("legacy-blue:8000", "web-green:8000", "blue"),
        ("web-green", "web-green:80", "green"),
        # An error page took it over.
        ("", "web-green:8000", "green"),
        ("", "127.0.0.1:9", ""),
        # No app service.
        ("cache-blue:80", "web-green:8000", ""),
        ("old-web-blue:80", "web-green:8000", ""),
    ],
)
def test_what_a_request_was_sent_to_tells_its_slot(proxy_host, address, slot):
    legacy = Backend(8000, {"blue": 100})
    split = Backend(8000, {"blue": 90, "green": 10})
    text = render(Routes("g", {"legacy": legacy, "web": split}, log=LOG))
    assert slot_of(text, proxy_host, address) == slot


def test_a_service_that_both_releases_have_tells_the_slot_of_a_preview():
    alone, both = Backend(9000, {"blue": 100}), Backend(8000, {"blue": 100, "green": 0})
    policy = Policy(preview_header="X-Release", preview_value="new", preview_slot="green")
    text = render(Routes("g", {"admin": alone, "web": both}, policy=policy, log=LOG))
    assert 'map "$proxy_host|$towline_web" $towlinelog_slot {' in text


def test_services_are_told_by_name_and_by_a_port_that_only_one_has():
    text = render(routes(web=8000, api=9000, adm=9000))
    assert '"~^\\|.*:8000$" web;' in text
    assert '"~^api-(blue|green)' in text
    assert ":9000$" not in text


def test_containers_that_are_named_one_by_one_tell_their_slot_and_service():
    pins = {"green": ("shop-local-green-web-1", "shop-local-green-web-2")}
    backends = {
        "web": Backend(8000, {"blue": 90, "green": 10}, only=pins),
        "api": Backend(9000, {"green": 100}),
    }
    text = render(Routes("g", backends, log=LOG))
    assert slot_of(text, "shop-local-green-web-2:8000", "web-blue:8000") == "green"
    assert slot_of(text, "", "shop-local-green-web-2:8000") == "green"
    assert '"~^shop\\-local\\-green\\-web\\-2(:\\d+)?\\|" web;' in text


def test_a_line_reads_back():
    found = parse_line(LINE)
    assert (found.slot, found.release, found.service) == ("green", "1.7.0", "web")
    assert (found.status, found.upstream_status, found.request_id) == (502, 503, "abc")
    # nginx asked two times, and the client waited for both.
    assert found.seconds == pytest.approx(0.35)
    unreached = parse_line(LINE.replace(b'"0.100, 0.250"', b'""').replace(b"502, 503", b""))
    assert (unreached.seconds, unreached.upstream_status) == (0.5, 0)


@pytest.mark.parametrize("line", [b"", LINE[:40], b"[]", b"null", b'{"time":"x"}'])
def test_what_is_no_line_is_left_out(line):
    assert parse_line(line) is None


@pytest.fixture
def server():
    """A router's own port, with the files of `kept`; answers ranges as nginx does."""
    kept = {}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            data = kept.get(self.path)
            if data is None:
                return self.answer(404, b"", "")
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            if first >= len(data):
                return self.answer(416, b"", f"bytes */{len(data)}")
            part = data[first : last + 1]
            return self.answer(206, part, f"bytes {first}-{first + len(part) - 1}/{len(data)}")

        def answer(self, status, data, content_range):
            self.send_response(status)
            self.send_header("Content-Range", content_range)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield kept, lambda after, full_at=10**6: read_log(made.server_address, after, full_at=full_at)
    made.shutdown()
    made.server_close()


def test_only_what_is_new_is_read_and_half_a_line_waits(server):
    kept, read = server
    kept["/requests"] = b""
    part = read(None)
    assert (part.lines, part.position) == ((), LogPosition())
    kept["/requests"] = b"one\ntwo\nthr"
    part = read(part.position)
    assert part.lines == (b"one", b"two")
    assert read(part.position).lines == ()
    kept["/requests"] += b"ee\nfour\n"
    part = read(part.position)
    assert part.lines == (b"three", b"four")
    assert not part.is_missing_some
    assert read(None).lines == ()


def test_a_rotation_loses_no_line_and_two_of_them_are_told(server):
    kept, read = server
    kept["/requests"] = b"one\ntwo\n"
    part = read(LogPosition())
    kept["/requests.1"], kept["/requests"] = b"one\ntwo\nthree\n", b"four\n"
    part = read(part.position)
    assert part.lines == (b"three", b"four")
    assert not part.is_missing_some
    kept["/requests.1"], kept["/requests"] = b"six\n", b"seven\n"
    part = read(part.position)
    assert part.lines == (b"seven",)
    assert part.is_missing_some


def test_a_log_that_is_begun_anew_at_this_moment_is_no_missing_log(server):
    kept, read = server
    kept["/requests"] = b"one\n"
    part = read(LogPosition())
    assert part.clock > 1_000_000_000
    kept["/requests.1"] = kept.pop("/requests") + b"two\n"
    part = read(part.position)
    assert part.lines == ()
    kept["/requests"] = b"three\n"
    assert read(part.position).lines == (b"two", b"three")


def test_a_log_that_is_full_is_told(server):
    kept, read = server
    kept["/requests"] = b"one\n" * 10
    assert read(None, full_at=40).is_missing_some
    assert not read(None, full_at=41).is_missing_some


def test_a_router_without_a_log_is_told(server):
    with pytest.raises(NoRequestLog):
        server[1](None)


@pytest.fixture
def rotate(tmp_path):
    """Runs the script where the log is in a folder, and `nginx` and `kill` do what they are told.

    Returns the sizes of the log and of the part before; None for what is not there.
    """

    def run(size, nginx="> requests.log", kill="return 1"):
        (tmp_path / "requests.log").touch()
        os.truncate(tmp_path / "requests.log", size)
        commands = f"nginx() {{ {nginx}; }}\nkill() {{ {kill}; }}\nsleep() {{ :; }}\n"
        script = rotation_script().replace("cd /var/log/towline", f"cd {tmp_path}")
        subprocess.run(["sh", "-c", commands + script], check=False)
        files = [tmp_path / name for name in ("requests.log", "requests.1.log")]
        return [file.stat().st_size if file.exists() else None for file in files]

    return run


MB = 2**20


def test_only_a_long_log_is_begun_anew(rotate):
    assert rotate(10) == [10, None]
    assert rotate(6 * MB) == [0, 6 * MB]
    assert rotate(7 * MB) == [0, 7 * MB]


@pytest.mark.parametrize("size", [10 * MB, 16 * MB])
def test_a_part_before_that_leaves_too_little_room_is_removed(rotate, size):
    assert rotate(size) == [0, None]


def test_an_nginx_with_another_configuration_file_is_told_as_the_first_process(rotate):
    assert rotate(6 * MB, "return 1", '[ "$*" = "-USR1 1" ] && > requests.log') == [0, 6 * MB]


@pytest.mark.parametrize("nginx", ["return 1", "return 0"])
def test_a_log_that_nginx_does_not_begin_anew_stays(rotate, nginx):
    assert rotate(16 * MB, nginx) == [16 * MB, None]
