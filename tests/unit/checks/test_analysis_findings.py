"""Configurations in which analysis would see less than there is, or nothing."""

from pathlib import Path

import pytest

from towline.checks.analysis_checks import check_analysis
from towline.config.analysis_section import Analysis
from towline.config.services import Service
from towline.engines.bundle import Bundle, Mount
from towline.findings import Severity
from towline.routing.access_logs import find_unlogged

ROOT = Path(__file__).resolve().parents[3]
SEND = "location / { proxy_pass http://$towline_web; }"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"http {{ server {{ {SEND} }} }}", []),
        (f"http {{ access_log /dev/stdout;\n server {{ {SEND} }} }}", []),
        (f"http {{\n access_log off;\n server {{ {SEND} }} }}", [2]),
        (f"http {{ access_log off; server {{ include /etc/nginx/towline/*.inc; {SEND} }} }}", []),
        (f"http {{ # {{ access_log off;\n server {{\n access_log /x.log main;\n {SEND} }} }}", [3]),
        (f"http {{ server {{ access_log '/a;b';\n include /y/request-log.inc; {SEND} }} }}", []),
        # Whoever writes that in a location means it.
        ("http { server { location /h { access_log off; proxy_pass http://$towline_web; } } }", []),
        ("http { server { location / { access_log /x; proxy_pass http://$towline_web; } } }", [1]),
        ("http { access_log off; server { location / { proxy_pass http://elsewhere; } } }", []),
        ("}} {", []),
    ],
)
def test_lines_that_hide_requests_to_apps_are_found(text, lines):
    assert find_unlogged(text) == lines


def test_the_sample_hides_nothing():
    assert find_unlogged((ROOT / "deploy/security/nginx/nginx.conf").read_text()) == []


def messages(section, bundle):
    return [(item.severity, item.message) for item in check_analysis(section, bundle)]


def test_findings(tmp_path):
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"http {{\n access_log off;\n server {{ {SEND} }} }}")
    services = {"web": Service(role="app"), "nginx": Service(role="router")}
    bundle = Bundle(services, mounts={"nginx": (Mount(conf, "/n"),)}, tree=tmp_path)
    section = Analysis.model_validate({"checks": {"errors": "< 5%"}})
    ((severity, said),) = messages(section, bundle)
    assert severity is Severity.WARNING
    assert f"{conf}:2: this `access_log`" in said
    assert messages(Analysis(), bundle) == []
    alone = Bundle({"web": Service(role="app")})
    ((severity, said),) = messages(section, alone)
    assert severity is Severity.ERROR
    assert "`analysis.checks.errors` needs the router's request log" in said
    wrong = Analysis.model_validate({"checks": {"p96": "< 1s"}})
    ((severity, said),) = messages(wrong, bundle)
    assert severity is Severity.ERROR
    assert "no source has a metric 'p96'" in said
