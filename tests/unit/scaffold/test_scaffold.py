import re
import shutil
import stat
import subprocess

import pytest
import yaml

from towline.config.loading import load
from towline.config.secrets import missing_or_placeholder
from towline.config.services import Role, service_settings
from towline.errors import UsageError
from towline.routing.nginx import variable
from towline.scaffold.detection import detect
from towline.scaffold.scaffold import State, plan_scaffold, write_scaffold


def scaffold(root, **options):
    plan = plan_scaffold(root, **options)
    write_scaffold(plan)
    return plan


def snapshot(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def compose(root, tmp_path, *arguments):
    """The scaffolded Compose file as Compose itself resolves it; no daemon is needed."""
    (tmp_path / "env").write_text("LOG_LEVEL=info\n")
    result = subprocess.run(
        ["docker", "compose", *arguments, "-f", "deploy/docker/docker-compose.prod.yml", "config"],
        cwd=root,
        env={
            "PATH": "/usr/bin:/usr/local/bin:/bin",
            "HOME": str(tmp_path),
            "TOWLINE_ENV_FILE": str(tmp_path / "env"),
            "TOWLINE_VERSION": "1.2.3",
            "TOWLINE_ROUTES": "/routes",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "not set" not in result.stderr
    return yaml.safe_load(result.stdout)


needs_compose = pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker compose")


def test_the_new_project_loads_and_says_what_was_detected(shop):
    scaffold(shop)
    project = load(shop)
    assert project.settings.project == "my-shop-v2"
    assert project.compose_files("local")[0].is_file()
    assert project.settings.promote.copy_ == {
        "shop": "src/shop",
        "requirements.txt": "requirements.txt",
    }
    assert [request.path for request in project.environment("local").smoke.requests] == ["/healthz"]
    assert (shop / "tasks.py").read_text().startswith("from towline.tasks import ns")
    assert len((shop / "tasks.py").read_text().splitlines()) == 1


def test_towline_yaml_stays_short(shop):
    scaffold(shop)
    assert len((shop / "towline.yaml").read_text().splitlines()) <= 15


@needs_compose
def test_compose_accepts_the_scaffold(shop, tmp_path):
    scaffold(shop, service="web-app", port=9000)
    model = compose(shop, tmp_path, "--profile", "monitoring")
    roles = {name: service_settings(body).role for name, body in model["services"].items()}
    assert roles == {"web-app": Role.APP, "nginx": Role.ROUTER, "prometheus": Role.BACKING}
    app = model["services"]["web-app"]
    assert service_settings(app).port == 9000
    assert service_settings(app).health.path == "/healthz"
    assert "ports" not in app
    assert app["image"] == "my-shop-v2-web-app:1.2.3"
    assert app["environment"] == {"LOG_LEVEL": "info"}
    mounted = {
        volume["target"]: volume["source"] for volume in model["services"]["nginx"]["volumes"]
    }
    assert mounted["/etc/nginx/towline"] == "/routes"
    for target in ("/etc/nginx/nginx.conf", "/etc/nginx/ssl"):
        assert mounted[target].startswith(str(shop / "deploy"))


@needs_compose
def test_monitoring_is_off_until_its_profile_is_asked_for(shop, tmp_path):
    scaffold(shop)
    assert set(compose(shop, tmp_path)["services"]) == {"app", "nginx"}


@needs_compose
def test_the_commented_services_are_valid_once_the_hash_signs_are_gone(shop, tmp_path):
    scaffold(shop)
    file = shop / "deploy/docker/docker-compose.prod.yml"
    text = re.sub(r"^  # (?=(?:worker|migrate|postgres):|  )", "  ", file.read_text(), flags=re.M)
    file.write_text(text.replace("volumes:\n  prometheus:", "volumes:\n  postgres:\n  prometheus:"))
    example = (shop / "deploy/docker/.env.prod.example").read_text()
    (shop / "env").write_text(re.sub(r"^# (?=POSTGRES_)", "", example, flags=re.M))
    model = compose(shop, tmp_path, "--env-file", "env")
    roles = {name: service_settings(body).role for name, body in model["services"].items()}
    assert roles["worker"] is Role.WORKER
    assert roles["migrate"] is Role.JOB
    assert roles["postgres"] is Role.BACKING
    assert model["services"]["postgres"]["environment"]["POSTGRES_DB"] == "my_shop_v2"


def test_nginx_gets_the_address_from_the_variable_that_towline_writes(shop):
    scaffold(shop, service="web-app")
    text = (shop / "deploy/security/nginx/nginx.conf").read_text()
    assert f"proxy_pass http://{variable('web-app')};" in text
    assert "include /etc/nginx/towline/*.conf;" in text
    assert text.count("{") == text.count("}")


def test_the_dockerfile_of_a_known_framework_starts_it(shop):
    scaffold(shop, port=9000)
    text = (shop / "deploy/docker/Dockerfile").read_text()
    assert 'CMD ["uvicorn", "shop.main:app", "--host", "0.0.0.0", "--port", "9000"]' in text
    assert re.search(r"pip install -r requirements.txt uvicorn==[\d.]+\n", text)
    assert "TODO" not in text


def test_an_unknown_project_gets_a_start_command_that_fails_loudly(tmp_path):
    plan = scaffold(tmp_path)
    command = (tmp_path / "deploy/docker/Dockerfile").read_text().splitlines()[-1]
    argv = yaml.safe_load(command.removeprefix("CMD "))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "deploy/docker/Dockerfile" in done.stderr
    said = "\n".join(plan.lines())
    for gap in ("no code was found", "no requirements.txt", "start command", "health path"):
        assert gap in said
    assert load(tmp_path).settings.promote.copy_ == {"src": "src"}


def test_dependencies_of_a_pyproject_are_installed_from_it(shop, tmp_path):
    (shop / "requirements.txt").unlink()
    (shop / "pyproject.toml").write_text(
        '[project]\nname = "shop"\nversion = "1.0.0"\n'
        'dependencies = ["fastapi>=0.1; python_version > \'3\'", "uvicorn"]\n'
    )
    scaffold(shop)
    text = (shop / "deploy/docker/Dockerfile").read_text()
    command = re.search(r"^RUN (python3 -c .*?) > requirements.txt", text, re.M)[1]
    listed = subprocess.run(
        command, shell=True, cwd=shop, capture_output=True, text=True, check=True
    )
    assert listed.stdout == "fastapi>=0.1; python_version > '3'\nuvicorn\n"
    assert load(shop).settings.promote.version_files == ["pyproject.toml"]


def test_a_second_run_keeps_everything_and_says_so(shop):
    scaffold(shop)
    before = snapshot(shop)
    plan = plan_scaffold(shop, name="other")
    assert write_scaffold(plan) == []
    assert snapshot(shop) == before
    assert "everything is kept" in next(plan.lines())


def test_a_project_with_its_own_deploy_tree_gets_nothing_added(shop):
    (shop / "towline.yaml").write_text("project: shop\ndeploy: production\n")
    before = snapshot(shop)
    scaffold(shop)
    assert snapshot(shop) == before


def test_files_that_exist_are_kept_and_named(shop):
    file = shop / "deploy/docker/Dockerfile"
    file.parent.mkdir(parents=True)
    file.write_text("FROM scratch\n")
    plan = scaffold(shop)
    assert file.read_text() == "FROM scratch\n"
    assert [str(kept.path) for kept in plan.kept()] == ["deploy/docker/Dockerfile"]
    assert "keep      deploy/docker/Dockerfile (exists)" in list(plan.lines())
    assert (shop / "towline.yaml").exists()


def test_force_overwrites_all_but_tasks(shop):
    scaffold(shop)
    wanted = snapshot(shop)
    for name in ("towline.yaml", "deploy/docker/Dockerfile", "tasks.py"):
        (shop / name).write_text("project: mine\n")
    plan = plan_scaffold(shop)
    written = write_scaffold(plan, force=True)
    assert {path.name for path in written} == {"towline.yaml", "Dockerfile"}
    assert (shop / "tasks.py").read_text() == "project: mine\n"
    (shop / "tasks.py").write_bytes(wanted[(shop / "tasks.py").relative_to(shop)])
    assert snapshot(shop) == wanted
    assert "overwrite deploy/docker/Dockerfile" in list(plan.lines(force=True))


def test_planning_changes_nothing(shop):
    before = snapshot(shop)
    list(plan_scaffold(shop).lines())
    assert snapshot(shop) == before


def test_an_interrupted_init_is_completed_by_the_next(shop, monkeypatch):
    plan = plan_scaffold(shop)
    (shop / "deploy").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        write_scaffold(plan)
    assert not (shop / "towline.yaml").exists()
    (shop / "deploy").unlink()
    again = scaffold(shop)
    assert all(file.state is State.NEW for file in again.files)
    assert (shop / ".gitignore").read_text().count("/deploy/security/ssl/*") == 1


def test_own_tasks_are_kept_with_a_hint(shop):
    (shop / "tasks.py").write_text("from invoke import task\n")
    plan = scaffold(shop)
    assert (shop / "tasks.py").read_text() == "from invoke import task\n"
    assert "from towline.tasks import ns as towline" in "\n".join(plan.lines())


def test_a_tasks_package_is_not_hidden_by_a_tasks_module(shop):
    (shop / "tasks").mkdir()
    (shop / "tasks" / "__init__.py").write_text("from invoke import task\n")
    plan = scaffold(shop)
    assert not (shop / "tasks.py").exists()
    assert "your own tasks are kept" in "\n".join(plan.lines())


def git(root, *arguments):
    return subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    ).stdout.split()


@pytest.mark.parametrize(
    "present",
    [
        "",
        "*.pyc\n.env",
        "!.env.example\n!.env.prod.example\n",
        "/deploy/security/ssl/*\n",
        "caf\xe9".encode("latin-1"),
    ],
    ids=["none", "no newline at the end", "exceptions first", "half a group", "not UTF-8"],
)
def test_git_ignores_secrets_and_keeps_examples(shop, present):
    text = present if isinstance(present, bytes) else present.encode()
    (shop / ".gitignore").write_bytes(text)
    git(shop, "init", "-q")
    scaffold(shop)
    assert (shop / ".gitignore").read_bytes().startswith(text)
    private = [
        ".env",
        ".env.prod",
        "deploy/docker/.env.prod",
        "deploy/security/ssl/privkey.pem",
        "deploy/security/secrets/key",
    ]
    public = [
        ".env.example",
        "deploy/docker/.env.prod.example",
        "deploy/security/ssl/.gitkeep",
        "deploy/security/secrets/.gitkeep",
    ]
    assert git(shop, "check-ignore", *private, *public) == private
    assert plan_scaffold(shop).ignored == ()


def test_the_example_holds_no_usable_secret(shop):
    scaffold(shop)
    lines = (shop / "deploy/docker/.env.prod.example").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    found = [finding.message for finding in missing_or_placeholder(values, values, ".env")]
    assert found == ["SECRET_KEY still holds a placeholder"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Trend_Scope 2", "trend-scope-2"),
        ("--x--", "x"),
        ("日本", "my-service"),
        ("3d", "3d"),
        ("2024", "2024"),
        ("on", "on"),
        ("1e3", "1e3"),
        ("null", "null"),
        ("12_30", "12-30"),
    ],
)
def test_the_folder_gives_the_name(tmp_path, folder, name):
    root = tmp_path / folder
    root.mkdir()
    scaffold(root)
    assert load(root).settings.project == name
    for file in root.rglob("*.yml"):
        text = file.read_text()
        assert isinstance(yaml.safe_load(text), dict), text
    scraped = yaml.safe_load((root / "deploy/monitoring/prometheus/prometheus.yml").read_text())
    assert scraped["scrape_configs"][0]["job_name"] == name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "My Shop"}, "--name my-shop"),
        ({"name": "-x"}, "--name x"),
        ({"source": "missing"}, "--source"),
        ({"source": ".."}, "--source"),
        ({"port": 80}, "--port"),
        ({"port": 70000}, "--port"),
        ({"health": "health"}, "--health"),
        ({"health": "/x; return 200"}, "--health"),
        ({"service": "a b"}, "service"),
    ],
)
def test_arguments_that_cannot_be_used(shop, options, said):
    with pytest.raises(UsageError) as raised:
        plan_scaffold(shop, **options)
    assert said in f"{raised.value.message} {raised.value.remedy}"
    assert not (shop / "deploy").exists()


def test_a_source_tree_below_the_root(tmp_path):
    code = tmp_path / "back end"
    (code / "src" / "shop").mkdir(parents=True)
    (code / "src" / "shop" / "main.py").write_text("app = FastAPI()\n")
    scaffold(tmp_path, name="shop", source="back end")
    project = load(tmp_path)
    assert project.source_tree == code
    assert all((project.source_tree / path).exists() for path in project.settings.promote.copy_)
    assert detect(code).application == "shop.main:app"


def test_files_are_readable_by_all(shop):
    scaffold(shop)
    for path in (shop / "deploy").rglob("*"):
        assert path.stat().st_mode & stat.S_IROTH


@pytest.mark.parametrize("conventional", [True, False])
def test_commits_count_as_fixes_where_nobody_writes_conventional_messages(shop, conventional):
    write_scaffold(plan_scaffold(shop, conventional=conventional))
    assert load(shop).settings.versions.other == ("none" if conventional else "patch")


def ports(root):
    """The HTTPS port, everywhere where a new project names it."""
    docker = root / "deploy/docker"
    published = re.search(
        r"HTTPS_PORT:-(\d+)\}:8443", (docker / "docker-compose.prod.yml").read_text()
    )
    variable_ = re.search(r"^HTTPS_PORT=(\d+)$", (docker / ".env.prod.example").read_text(), re.M)
    nginx = (root / "deploy/security/nginx/nginx.conf").read_text()
    redirect = re.search(r'"~:\\d\+\$" "(.*)";', nginx)
    url = load(root).environment("local").url
    return published[1], variable_[1], redirect[1], url


def test_the_https_port_is_chosen_once(shop):
    scaffold(shop, https_port=9443)
    assert ports(shop) == ("9443", "9443", ":9443", "https://localhost:9443")
    # Within its container nginx listens where it may without root.
    for path in (item for item in shop.rglob("*") if item.is_file()):
        for line in path.read_text().splitlines():
            assert "8443" not in line or "listen 8443 ssl" in line or ':8443"' in line, (path, line)


def test_https_ports_that_need_no_number_and_those_that_cannot_be(shop):
    for port in (0, -1, 8080, 65536):
        with pytest.raises(UsageError, match=f"--https-port {port}: ") as error:
            plan_scaffold(shop, https_port=port)
        assert "--https-port 8443" in error.value.remedy
    scaffold(shop, https_port=443)
    assert ports(shop) == ("443", "443", "", "https://localhost")


def test_without_a_choice_the_https_port_is_one_that_needs_no_root(shop):
    scaffold(shop)
    assert ports(shop) == ("8443", "8443", ":8443", "https://localhost:8443")
