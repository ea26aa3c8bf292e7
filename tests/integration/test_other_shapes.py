"""Projects of other shapes than the sample: no router, several replicas, changed configuration."""

import json
import urllib.request

import pytest

from loadgen import Load, wait_until
from projects import LAB, Project, docker, free_ports, git, remove

APP = """
import http.server, json, os, signal, socket

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        said = {"version": os.environ["TOWLINE_VERSION"], "host": socket.gethostname()}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Release", said["version"])
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("", 8000), Answer)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
"""
WEB = """
services:
  web:
    image: {name}-api:${{TOWLINE_VERSION:-dev}}
    build: {{context: .., dockerfile: docker/Dockerfile}}
    {ports}
    x-towline: {{role: app, port: 8000, health: /}}
"""
NGINX = """
  nginx:
    image: {nginx}
    user: "${{TOWLINE_UID:-101}}:${{TOWLINE_GID:-101}}"
    ports: ["127.0.0.1:{http}:8080"]
    volumes:
      - ../security/nginx/nginx.conf:/etc/nginx/nginx.conf:ro
      - ${{TOWLINE_ROUTES}}:/etc/nginx/towline:ro
    x-towline: {{role: router}}
  notes:
    image: {python}
    volumes: ["../docker/notes:/notes:ro"]
    command:
      - python3
      - -c
      - "import signal; signal.signal(1, lambda *_: None); [signal.pause() for _ in range(99)]"
    init: true
    stop_grace_period: 0s
    x-towline: {{{reload}}}
networks:
  default:
    driver_opts: {{com.docker.network.driver.mtu: "1400"}}
    ipam: {{config: [{{subnet: 10.{a}.{b}.0/24}}]}}
"""
CONF = """
pid /tmp/nginx.pid; error_log stderr; events {}
http {
  client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c;
  uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e; access_log off;
  include /etc/nginx/towline/*.conf;
  server { listen 8080; location / { proxy_pass http://$towline_web; } }
}
"""


def toy(folder, *, router=True, rollout="", reload=""):
    """A small project of one web service."""
    root = folder / "project"
    for part in ("app", "deploy/docker/notes", "deploy/security/nginx"):
        (root / part).mkdir(parents=True)
    lab = dict(line.split("=", 1) for line in LAB.read_text().split()) if LAB.exists() else {}
    python = lab.get("PYTHON_IMAGE", "python:3.11-slim")
    (http,) = free_ports(1)
    project = Project(root, f"t{folder.name[-12:].replace('_', '').lower()}{http}", http, http,
                      folder / "state")  # fmt: skip
    ports = f'ports: ["127.0.0.1:{http}:8000"]' if not router else ""
    text = WEB.format(name=project.name, ports=ports)
    if router:
        nginx = lab.get("NGINX_IMAGE", "nginx:1.27")
        text += NGINX.format(
            nginx=nginx, python=python, http=http, reload=reload, a=200 + http % 50, b=http % 250
        )
    (root / "deploy/docker/docker-compose.prod.yml").write_text(text)
    (root / "deploy/docker/notes/default.conf").write_text("# one\n")
    (root / "deploy/security/nginx/nginx.conf").write_text(CONF)
    (root / "deploy/docker/Dockerfile").write_text(
        f'FROM {python}\nCOPY src/app.py /app.py\nUSER 1000\nCMD ["python3", "-u", "/app.py"]\n'
    )
    (root / "app/app.py").write_text(APP)
    (root / "tasks.py").write_text("from towline.tasks import ns\n")
    (root / "towline.yaml").write_text(
        f"project: {project.name}\nsource: app\npromote: {{copy: {{app.py: src/app.py}}}}\n"
        f"rollout: {{watch: 300ms, health_timeout: 10s, drain: 2s{rollout}}}\n"
        f"environments: {{local: {{url: 'http://127.0.0.1:{http}'}}}}\n"
    )
    git(root, "init", "-q")
    return project


def release(project, version):
    (project.root / "app/app.py").write_text(f"{APP}# {version}\n")
    project.commit(f"feat: {version}")
    project.inv("promote", "--version", version).ok()


def ask(project):
    with urllib.request.urlopen(f"http://127.0.0.1:{project.http}/", timeout=5) as answer:
        return json.load(answer)


@pytest.fixture
def make(tmp_path):
    made = []

    def build(**shape):
        made.append(toy(tmp_path, **shape))
        return made[-1]

    yield build
    for project in made:
        remove(project)


def test_without_a_router_recreate_replaces_and_goes_back(make):
    project = make(router=False)
    release(project, "1.0.0")
    refused = project.inv("deploy")
    assert refused.code == 2
    assert "blue-green needs a router" in refused.err
    project.inv("deploy", "--strategy", "recreate").ok()
    assert ask(project)["version"] == "1.0.0"
    again = project.inv("deploy", "--strategy", "recreate").ok()
    assert "nothing to do" in again.out
    release(project, "1.1.0")
    project.inv("deploy", "--strategy", "recreate").ok()
    assert ask(project)["version"] == "1.1.0"


def test_several_replicas_share_the_traffic_and_are_replaced_without_a_loss(make):
    project = make(rollout=", replicas: 3")
    release(project, "1.0.0")
    project.inv("deploy").ok()
    assert len({ask(project)["host"] for _ in range(60)}) == 3
    release(project, "1.1.0")
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        project.inv("deploy").ok()
        tally = load.stop()
    assert tally.lost == []
    assert tally.failed == 0
    assert set(tally.releases) == {"1.0.0", "1.1.0"}
    running = docker("ps", "-q", "--filter", f"label=towline.project={project.name}",
                     "--filter", "label=towline.role=app").split()  # fmt: skip
    assert len(running) == 3
    # The network that three Compose projects share is made as the file describes it.
    network = json.loads(docker("network", "inspect", f"{project.name}-local_default"))[0]
    assert network["Options"]["com.docker.network.driver.mtu"] == "1400"
    assert network["IPAM"]["Config"][0]["Subnet"].startswith("10.")


@pytest.mark.parametrize(("reload", "restarts"), [("", True), ("reload: SIGHUP", False)])
def test_changed_configuration_reaches_a_backing_service(make, reload, restarts):
    project = make(reload=reload)
    release(project, "1.0.0")
    project.inv("deploy").ok()
    name = f"{project.name}-local-notes-1"
    started = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name)
    notes = project.root / "deploy/docker/notes/default.conf"
    notes.write_text("# two\n")
    release(project, "1.1.0")
    done = project.inv("deploy").ok()
    assert f"notes {'restarted' if restarts else 'reloaded'}: new configuration" in done.err
    now = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name)
    assert now.split()[0] == started.split()[0]
    assert (now != started) == restarts
    assert docker("exec", name, "cat", "/notes/default.conf") == "# two\n"
    project.inv("rollback", "--auto-approve").ok()
    assert docker("exec", name, "cat", "/notes/default.conf") == "# one\n"


def test_down_and_up_again_keeps_releases(make):
    project = make()
    release(project, "1.0.0+build.7")
    project.inv("deploy").ok()
    project.inv("down", "--yes").ok()
    project.inv("deploy").ok()
    assert ask(project)["version"] == "1.0.0+build.7"
    assert project.inv("down", "--yes", "--dry-run").ok().out.count("remove container") == 3
    assert ask(project)["version"] == "1.0.0+build.7"


def test_a_container_that_restarts_under_another_address_is_found_again(make):
    project = make()
    release(project, "1.0.0")
    project.inv("deploy").ok()
    web = f"{project.name}-local-blue-web-1"
    docker("stop", "-t", "1", web)
    # Somebody else takes the address that it had.
    image = docker("inspect", "-f", "{{.Image}}", web).strip()
    taker = docker("run", "-d", "--network", f"{project.name}-local_default", image, "sleep", "60")
    try:
        docker("start", web)
        wait_until(lambda: ask_or_none(project) == "1.0.0", "the router lost the container")
    finally:
        docker("rm", "-f", taker.strip())


def ask_or_none(project):
    try:
        return ask(project)["version"]
    except OSError:
        return None
