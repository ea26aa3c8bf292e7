"""The nginx.conf of the sample and of a new project, in a real nginx with an echo behind it."""

import json
import os
import socket
import ssl
import subprocess
import time
import uuid

import httpx
import pytest

from projects import LAB, ROOT
from towline.config.certificate import self_signed
from towline.config.envfile import read_env
from towline.scaffold.scaffold import plan_scaffold, write_scaffold

ROUTES = """
map "" $towline_%s { default 127.0.0.1:$where; }
map $http_x_go_away $where { default 9001; yes 9; }
server {
    listen 9001;
    location / {
        add_header X-Frame-Options $http_x_say;
        return 200 '{"for": "$http_x_forwarded_for", "host": "$http_host"}';
    }
}
"""


def nginx_conf(name, folder):
    """An nginx.conf, and the service that it sends traffic to."""
    if name == "sample":
        return (ROOT / "deploy/security/nginx/nginx.conf").read_text(), "fastapi"
    write_scaffold(plan_scaffold(folder, name="shop"))
    return (folder / "deploy/security/nginx/nginx.conf").read_text(), "app"


@pytest.fixture(scope="module", params=["sample", "scaffold"])
def router(request, tmp_path_factory):
    """HTTP and HTTPS address of a router."""
    folder = tmp_path_factory.mktemp(request.param)
    text, service = nginx_conf(request.param, folder)
    for name, content in (("nginx.conf", text), ("routes/routes.conf", ROUTES % service)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    self_signed(folder / "ssl", ["localhost"], days=2)
    (folder / "ssl/privkey.pem").chmod(0o644)
    folder.chmod(0o755)
    image = (read_env(LAB, {}) if LAB.exists() else {}).get("NGINX_IMAGE", "nginx:1.27")
    container = f"towline-router-{uuid.uuid4().hex[:8]}"
    mounts = (("nginx.conf", "nginx.conf"), ("ssl", "ssl"), ("routes", "towline"))
    volumes = [f"--volume={folder / here}:/etc/nginx/{there}:ro" for here, there in mounts]
    user = f"--user={os.getuid() or 101}:{os.getgid() or 101}"
    run("run", "--detach", f"--name={container}", user, "--read-only", "--tmpfs=/tmp:mode=1777",
        "--publish=127.0.0.1::8080", "--publish=127.0.0.1::8443", *volumes, image)  # fmt: skip
    try:
        ports = [
            run("port", container, str(port)).strip().rpartition(":")[2] for port in (8080, 8443)
        ]
        wait_for(int(ports[1]), container)
        yield request.param, f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}"
    finally:
        run("rm", "--force", container)


def run(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(port, container):
    for _ in range(100):
        try:
            httpx.get(f"https://127.0.0.1:{port}/", verify=False, headers={"Host": "localhost"})
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(run("logs", container))


def ask(url, **headers):
    given = {"Host": "localhost", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return httpx.get(url, verify=False, headers=given)


def test_nobody_chooses_their_own_address(router):
    said = json.loads(ask(f"{router[2]}/", X_Forwarded_For="6.6.6.6").text)
    assert "6.6.6.6" not in said["for"]
    assert said["for"].count(".") == 3


def test_every_answer_has_the_security_headers_once(router):
    for path, headers in (("/", {}), ("/", {"X_Go_Away": "yes"}), ("/metrics", {})):
        answer = ask(f"{router[2]}{path}", **headers)
        for name in ("Strict-Transport-Security", "X-Frame-Options", "X-Content-Type-Options"):
            assert len(answer.headers.get_list(name)) == 1, (path, answer.status_code, name)
    assert ask(f"{router[2]}/", X_Go_Away="yes").status_code in (502, 503)


def test_foreign_names_are_refused_where_the_names_are_known(router):
    name, http, https = router
    wanted = 421 if name == "sample" else 200
    assert ask(f"{https}/", Host="evil.example").status_code == wanted
    assert ask(f"{http}/x", Host="evil.example").status_code == (421 if name == "sample" else 308)
    assert ask(f"{https}/").status_code == 200


def test_plain_http_goes_to_the_port_that_belongs_to_it(router):
    _, http, _ = router
    for host, wanted in (
        ("localhost", "https://localhost/x"),
        ("localhost:8080", "https://localhost:8443/x"),
    ):
        assert ask(f"{http}/x", Host=host).headers["location"] == wanted


def test_clients_behind_dockers_own_address_share_no_limit(router):
    with httpx.Client(verify=False, headers={"Host": "localhost"}) as client:
        codes = {client.get(f"{router[2]}/").status_code for _ in range(400)}
    assert codes == {200}


@pytest.mark.parametrize(
    ("cipher", "taken"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256", True),
        ("AES128-GCM-SHA256", False),
        ("ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA", False),
    ],
)
def test_old_tls_offers_authenticated_ciphers_with_forward_secrecy_only(router, cipher, taken):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    port = int(router[2].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        if taken:
            context.wrap_socket(plain).close()
        else:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(plain)
