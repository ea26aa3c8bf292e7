"""Probes of a host behind SSH: what no port leads to is reached all the same."""

from projects import LAB
from towline.config.envfile import read_env
from toy import a_lab, release, toy_on

CACHE = """
  redis:
    image: {redis}
    restart: unless-stopped
    command: [redis-server, --requirepass, rd-s3cret-2]
    environment: {{CACHE_PASSWORD: rd-s3cret-2}}
    x-towline: {{health: {{kind: redis, password: CACHE_PASSWORD, start_period: 20s}}}}
  database:
    image: {postgres}
    restart: unless-stopped
    environment: {{POSTGRES_PASSWORD: pg-s3cret-2}}
    x-towline: {{health: {{kind: postgres, max_time: 2s, start_period: 1m}}}}
networks:"""


def test_containers_of_a_remote_host_are_asked_through_its_connection(tmp_path):
    settings = read_env(LAB, {}) if LAB.exists() else {}
    images = {"redis": settings.get("REDIS_IMAGE", "redis:7"),
              "postgres": settings.get("POSTGRES_IMAGE", "postgres:15")}  # fmt: skip
    with a_lab(tmp_path, hosts=1) as lab:
        project = toy_on(tmp_path, lab)
        compose = project.root / "deploy/docker/docker-compose.prod.yml"
        compose.write_text(compose.read_text().replace("networks:", CACHE.format(**images), 1))
        release(project, "1.0.0")
        done = project.inv("deploy", timeout=600).ok()
        rows = project.inv("health-check", "--json", "--timeout", "60").ok().json["services"]
        told = {row["service"]: row for row in rows}
        assert (told["redis"]["kind"], told["database"]["kind"]) == ("redis", "postgres")
        assert told["redis"]["answer"].startswith("PONG in ")
        assert told["database"]["answer"].startswith("select 1: ")
        assert 0 < told["redis"]["seconds"] < 2
        assert "s3cret" not in done.text
        project.inv("down", "--volumes", "--auto-approve", timeout=300)
