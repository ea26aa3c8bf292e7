"""A small project of one web service, for tests that need another shape than the sample's."""

import contextlib
import json
import urllib.request
import uuid

from projects import LAB, Project, free_ports, git
from towline.config.envfile import read_env
from towline.lab import fleet

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
# Both are the app's image.
WORK = """
  worker:
    image: {name}-api:${{TOWLINE_VERSION:-dev}}
    command: [sleep, infinity]
    init: true
    stop_grace_period: 0s
    x-towline: {{role: worker}}
  migrate:
    image: {name}-api:${{TOWLINE_VERSION:-dev}}
    command: ["true"]
    x-towline: {{role: job, changes_schema: false}}
"""
NGINX = """
  nginx:
    image: {nginx}
    restart: unless-stopped
    user: "${{TOWLINE_UID:-101}}:${{TOWLINE_GID:-101}}"
    ports: ["127.0.0.1:{http}:8080"]
    volumes:
      - ../security/nginx/nginx.conf:/etc/nginx/nginx.conf:ro
      - ${{TOWLINE_ROUTES}}:/etc/nginx/towline:ro
    x-towline: {{role: router}}
  notes:
    image: {python}
    restart: unless-stopped
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


def toy(folder, *, router=True, rollout="", reload="", work=False, suffix="", restart=""):
    """A small project of one web service; `work` adds a worker and a job."""
    root = folder / "project"
    for part in ("app", "deploy/docker/notes", "deploy/security/nginx"):
        (root / part).mkdir(parents=True)
    lab = dict(line.split("=", 1) for line in LAB.read_text().split()) if LAB.exists() else {}
    python = lab.get("PYTHON_IMAGE", "python:3.11-slim")
    (http,) = free_ports(1)
    name = f"t{folder.name[-12:].replace('_', '').lower()}{http}{suffix}"
    project = Project(root, name, http, http, folder / "state")
    ports = f'ports: ["127.0.0.1:{http}:8000"]' if not router else ""
    text = WEB.format(name=project.name, ports=ports)
    if work:
        text += WORK.format(name=project.name)
    if restart:
        text = text.replace(
            "    x-towline: {role: ", f"    restart: {restart}\n    x-towline: {{role: "
        )
    if router:
        nginx = lab.get("NGINX_IMAGE", "nginx:1.27")
        # Ports that differ make networks that differ: several projects are there at a time.
        a, b = 200 + http // 250 % 50, http % 250
        text += NGINX.format(nginx=nginx, python=python, http=http, reload=reload, a=a, b=b)
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
        f"rollout: {{bake_time: 300ms, health_timeout: 20s, drain: 5s{rollout}}}\n"
        f"environments: {{local: {{url: 'http://127.0.0.1:{http}'}}}}\n"
    )
    git(root, "init", "-q")
    return project


def release(project, version, code=APP):
    """Make a release of the small project."""
    (project.root / "app/app.py").write_text(f"{code}# {version}\n")
    project.commit(f"feat: {version}")
    project.inv("promote", "--version", version).ok()


def toy_on(folder, lab, **shape):
    """The small project on the hosts of a lab, which publish its router's port."""
    made = toy(folder, **shape)
    compose = made.root / "deploy/docker/docker-compose.prod.yml"
    text = compose.read_text().replace(f'"127.0.0.1:{made.http}:8080"', '"8080:8080"')
    # A second backing service is not needed there.
    start, _, rest = text.partition("  notes:\n")
    compose.write_text(start + "networks:" + rest.partition("networks:")[2])
    config = made.root / "towline.yaml"
    hosts = ", ".join(host.name for host in lab.hosts)
    where = f"local: {{hosts: [{hosts}], ssh_config: '{lab.ssh_config}', "
    config.write_text(config.read_text().replace("local: {", where))
    return made


@contextlib.contextmanager
def a_lab(folder, *, hosts):
    """Container hosts with a name of their own, which are gone afterwards."""
    name = f"t{uuid.uuid4().hex[:8]}lab"
    settings = read_env(LAB, {}) if LAB.exists() else {}
    try:
        yield fleet.up(folder / "lab", hosts=hosts, name=name, settings=settings)
    finally:
        fleet.down(folder / "lab", name=name)


def version_on(host):
    """The release that a host of the lab serves."""
    with urllib.request.urlopen(f"http://127.0.0.1:{host.ports[8080]}", timeout=5) as answer:
        return json.loads(answer.read())["version"]
