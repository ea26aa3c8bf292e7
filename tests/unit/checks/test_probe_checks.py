"""What the check says of probes and smoke tests that cannot be asked."""

from towline.checks.probes import check_probes
from towline.config.deploy_sections import HttpSmoke, Smoke, WebSocketSmoke
from towline.config.services import Service
from towline.engines.bundle import Bundle


def messages(services, smoke=None):
    bundle = Bundle({name: Service.model_validate(item) for name, item in services.items()})
    return [finding.message for finding in check_probes(bundle, smoke or Smoke())]


def test_a_probe_needs_a_port_where_its_kind_asks_one():
    services = {
        "web": {"role": "app", "port": 8000, "health": "/"},
        "charts": {"health": "/api/health"},
        "mail": {"health": {"kind": "tcp", "port": 25}},
        "db": {"health": {"kind": "postgres"}},
        "cache": {"health": {"kind": "redis"}},
        "queue": {"health": {"kind": "tcp"}},
    }
    assert messages(services) == [
        "charts has a health probe but no port to ask",
        "queue has a health probe but no port to ask",
    ]


def test_a_smoke_test_names_an_app():
    services = {"web": {"role": "app", "port": 8000}, "db": {}}
    smoke = Smoke(
        requests=[HttpSmoke(path="/"), HttpSmoke(path="/", service="web"),
                  HttpSmoke(path="/", service="db")],
        websockets=[WebSocketSmoke(path="/", service="adm")],
    )  # fmt: skip
    assert messages(services, smoke) == [
        "a smoke test names service db, which is no app service",
        "a smoke test names service adm, which is no app service",
    ]
