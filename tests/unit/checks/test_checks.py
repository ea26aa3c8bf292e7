import socket
from types import SimpleNamespace

import pytest

from towline.checks.certificates import certificates
from towline.checks.exposure import check_plain_secrets
from towline.checks.network import check_name
from towline.checks.variables import check_variables
from towline.config.certificate import findings, self_signed
from towline.config.redaction import KNOWN
from towline.config.services import Service
from towline.engines.bundle import Mount
from towline.engines.compose.check_host import check_disk, check_engine, check_ports
from towline.engines.compose.check_secrets import check_build_secrets
from towline.engines.compose.check_services import check_services
from towline.engines.compose.compose_file import ComposeFile
from towline.engines.observed import Container, ObservedState
from towline.findings import Severity
from towline.hosts.local import LocalFiles, LocalHost


def stack(**services):
    definitions = {
        name: {"restart": "always", **definition} for name, (_, definition) in services.items()
    }
    settings = {name: Service(**setting) for name, (setting, _) in services.items()}
    return ComposeFile.of({"name": "shop-prod", "services": definitions}, settings)


def messages(findings, severity=Severity.ERROR):
    return [finding.message for finding in findings if finding.severity is severity]


APP = {"role": "app", "port": 8000, "health": "/health"}
ROUTER = {"role": "router"}


def test_good_services_are_named(tmp_path):
    (finding,) = check_services(stack(api=(APP, {}), nginx=(ROUTER, {})), tmp_path)
    assert finding.message == "2 services: api, nginx"


def test_nothing_to_deploy_is_an_error(tmp_path):
    found = check_services(stack(db=({}, {})), tmp_path)
    assert messages(found) == ["no service has role app: there is nothing to deploy"]


def test_a_fixed_port_of_an_app_is_an_error_behind_a_router(tmp_path):
    ports = {"ports": [{"published": "8000", "target": 8000}]}
    found = check_services(stack(api=(APP, ports), nginx=(ROUTER, {})), tmp_path)
    assert messages(found) == ["api publishes port 8000: two releases cannot share it"]
    assert not messages(check_services(stack(api=(APP, ports)), tmp_path))


@pytest.mark.parametrize(
    ("argument", "value", "is_error"),
    [
        ("NPM_TOKEN", "anything-at-all", True),
        ("INDEX", "https://x/?auth=known-s3cret", True),
        ("LEGACY_PIN", "1234", True),
        ("PYTHON_IMAGE", "python:3.12", False),
        ("NPM_TOKEN", "", False),
    ],
)
def test_a_secret_build_argument_is_an_error(argument, value, is_error):
    KNOWN.learn({"API_TOKEN": "known-s3cret"})
    for arguments in ({argument: value}, [f"{argument}={value}"]):
        found = list(
            check_build_secrets(stack(api=(APP, {"build": {"args": arguments}})), ["LEGACY_PIN"])
        )
        assert bool(messages(found)) is is_error
        if is_error:
            assert messages(found)[0].startswith(f"api: build argument {argument} is a secret")
            assert "type=secret" in found[0].remedy
            assert not value or value not in str(found)


def test_a_password_that_is_a_name_is_a_warning():
    values = {"POSTGRES_PASSWORD": "postgres", "API_TOKEN": "known-s3cret"}
    KNOWN.publish(["postgres"])
    (said,) = messages(check_plain_secrets(values), Severity.WARNING)
    assert said.startswith("POSTGRES_PASSWORD is the name of a service")


def test_a_container_name_and_a_missing_health_path_are_warnings(tmp_path):
    bare = {"role": "app", "port": 8000}
    found = list(check_services(stack(api=(bare, {"container_name": "api"})), tmp_path))
    assert len(messages(found, Severity.WARNING)) == 2


def test_what_would_not_come_back_after_a_reboot_is_a_warning(tmp_path):
    bare, kept = (
        {"restart": None},
        {"restart": None, "deploy": {"restart_policy": {"condition": "any"}}},
    )
    never = {"restart": "no"}
    found = check_services(
        stack(api=(APP, bare), nginx=(ROUTER, kept), db=({}, bare), mail=({}, never),
              migrate=({"role": "job"}, bare)),
        tmp_path,
    )  # fmt: skip
    said = messages(found, Severity.WARNING)
    # What is wanted that way, with `restart: "no"`, is not mentioned.
    assert said == ["no restart policy: api, db will stay down after a crash or a reboot"]


def test_a_mount_that_is_not_there_is_an_error(tmp_path):
    mount = {"type": "bind", "source": str(tmp_path / "nginx.conf"), "target": "/x"}
    services = stack(api=(APP, {}), nginx=(ROUTER, {"volumes": [{**mount, "read_only": True}]}))
    assert "nginx mounts nginx.conf" in messages(check_services(services, tmp_path))[0]
    (tmp_path / "nginx.conf").touch()
    assert not messages(check_services(services, tmp_path))
    services = stack(api=(APP, {}), nginx=(ROUTER, {"volumes": [mount]}))
    assert not messages(check_services(services, tmp_path))
    assert messages(check_services(services, tmp_path), Severity.WARNING) == [
        "nginx mounts the file nginx.conf writable: what it writes there is not kept"
    ]


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("setting", [{}, APP, {"role": "worker"}], ids=["backing", "app", "worker"])
def test_data_below_the_deploy_tree_is_an_error(tmp_path, setting, is_there):
    """S1: a release's tree is no place for data, and nobody is led there."""
    if is_there:
        (tmp_path / "data").mkdir()
    volumes = [{"type": "bind", "source": str(tmp_path / "data"), "target": "/var/lib/db"}]
    services = stack(api=(APP, {}), db=(setting, {"volumes": volumes}))
    (found,) = (f for f in check_services(services, tmp_path) if f.severity == "error")
    assert found.message.startswith("db may write to data, which is in the deploy tree")
    assert "`data:/var/lib/db`" in found.remedy
    assert "absolute path" in found.remedy
    assert "create" not in found.remedy
    volumes[0]["source"] = "/srv/data"
    assert not messages(check_services(services, tmp_path))


def test_secrets_from_variables_are_refused(tmp_path):
    services = stack(api=(APP, {}))
    services.model["secrets"] = {"token": {"environment": "API_TOKEN"}, "key": {"file": "/x"}}
    (message,) = messages(check_services(services, tmp_path))
    assert message.startswith("secrets.token comes from a variable")


def test_unset_variables_name_the_example():
    given = ComposeFile.of({"services": {}}, {}, unset=("DATABASE_URL",))
    (finding,) = check_variables(given, ".env.prod.example")
    assert "DATABASE_URL" in finding.message
    assert ".env.prod.example" in finding.remedy
    assert "${DATABASE_URL:-}" in finding.remedy


class Machine:
    """A host as these checks see it."""

    name = "here"
    files = LocalFiles()

    def __init__(self, engine="24.0.7", compose="2.26.1", folder="/"):
        self._engine, self._compose, self._folder = engine, compose, folder

    def docker(self):
        return SimpleNamespace(
            version=lambda: {"Version": self._engine}, info=lambda: {"DockerRootDir": self._folder}
        )

    def compose_version(self):
        return self._compose


def test_versions_that_will_do():
    assert [f.severity for f in check_engine(Machine())] == ["ok", "ok"]
    assert [f.severity for f in check_engine(Machine("20.10.24+dfsg1", "v2.26.1-4"))] == [
        "ok",
        "ok",
    ]


@pytest.mark.parametrize(
    ("engine", "compose", "said"),
    [
        ("19.03.1", "2.26.1", "Docker engine 19.03.1 is older than 20.10"),
        ("24.0.7", "2.3.0", "Compose 2.3.0 is older than 2.20"),
        ("24.0.7", "", "Compose version 2 is not installed"),
    ],
)
def test_versions_that_will_not(engine, compose, said):
    assert messages(check_engine(Machine(engine, compose))) == [said]


def test_disk_space(tmp_path):
    machine = Machine(folder=str(tmp_path))
    assert not messages(check_disk(machine, tmp_path / "state", 1))
    found = messages(check_disk(machine, tmp_path / "state", 10**18))
    assert len(found) == 2
    assert "1000000000.0 GB wanted" in found[0]


def test_ports_taken_by_others_and_by_us():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        published = {"published": str(port), "host_ip": "127.0.0.1"}
        kept = {"services": {"nginx": {"ports": [published, {"target": 1}]}}}
        (message,) = messages(check_ports(LocalHost(), kept, ObservedState()))
        assert f"port {port}, wanted by nginx" in message
        ours = Container("i", "n", "nginx", "router", "running", ports={8080: port})
        assert not messages(check_ports(LocalHost(), kept, ObservedState((ours,))))
    assert not messages(check_ports(LocalHost(), kept, ObservedState()))


def test_names_resolve_or_not():
    assert [f.severity for f in check_name("https://localhost:8443")] == ["ok"]
    assert [f.severity for f in check_name("https://nowhere.invalid")] == ["warning"]
    assert list(check_name("")) == []


def test_certificates_are_found_through_the_routers_mounts(tmp_path):
    (tmp_path / "nginx.conf").write_text(
        "ssl_certificate /etc/nginx/ssl/fullchain.pem;\n"
        "  ssl_certificate_key /etc/nginx/ssl/privkey.pem;\n"
    )
    ssl = tmp_path / "ssl"
    router = [
        Mount(tmp_path / "nginx.conf", "/etc/nginx/n.conf"),
        Mount(ssl, "/etc/nginx/ssl"),
    ]
    (found,) = certificates(router)
    assert found == (ssl / "fullchain.pem", ssl / "privkey.pem")
    assert "does not exist" in messages(findings(*found, 14))[0]
    self_signed(ssl, ["localhost"], days=30)
    assert [f.severity for f in findings(*found, 14)] == ["ok"]
    assert [f.severity for f in findings(*found, 60)] == ["warning"]
    assert list(certificates([])) == []
