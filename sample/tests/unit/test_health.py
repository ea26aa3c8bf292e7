import pytest
from fastapi.testclient import TestClient

from newsroom import app as module
from newsroom.app import create_app
from newsroom.metrics import memory_limit
from newsroom.worker import Worker


def test_a_healthy_service_says_so(client):
    assert client.get("/health/overall").json()["status"] == "healthy"
    assert client.get("/health/overall").json()["pool"]["available"] == 1
    assert client.get("/health/live").status_code == 200
    pool = client.get("/health/database/pool").json()
    assert set(pool) == {"size", "in_use", "idle", "overflow", "limit", "available"}
    assert pool["available"] >= 1


def test_every_answer_names_its_release(client):
    answer = client.get("/version")
    said = {"version": "1.2.3", "commit": "c0ffee", "colour": "blue", "client": "testclient"}
    assert answer.json() == said
    assert answer.headers["x-release"] == "1.2.3"


def test_requests_are_counted_by_route(client):
    client.get("/api/news/41")
    client.get("/api/news/42")
    text = client.get("/metrics").text
    ours = 'release="1.2.3+r2",route="/api/news/{identifier}",slot="blue"'
    assert f'http_requests_total{{method="GET",{ours},status="404"}} 2.0' in text
    assert f'http_request_duration_seconds_bucket{{le="0.005",method="GET",{ours}}}' in text
    assert 'release_info{release="1.2.3+r2",slot="blue"} 1.0' in text


def test_the_pool_and_the_health_are_metrics(client, make_service):
    text = client.get("/metrics").text
    pool = 'database_pool_connections{state="idle"} 1.0'
    for line in ("database_up 1.0", "service_healthy 1.0", "database_pool_limit 1.0", pool,
                 "database_ping_seconds ", "process_resident_memory_bytes "):  # fmt: skip
        assert f"\n{line}" in text
    broken = TestClient(create_app(make_service("health"))).get("/metrics").text
    assert "\nservice_healthy 0.0" in broken


def test_the_memory_limit_is_that_of_the_control_group(tmp_path):
    assert memory_limit(tmp_path) == 0
    (tmp_path / "memory.max").write_text("536870912\n")
    assert memory_limit(tmp_path) == 512 << 20
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limit(tmp_path) == 0


def test_bad_health_on_purpose(make_service):
    answer = TestClient(create_app(make_service("health"))).get("/health/overall")
    assert answer.status_code == 503
    assert answer.json()["checks"]["fault"] == "NEWSROOM_FAULT=health"


def test_exit_on_purpose(monkeypatch):
    monkeypatch.setenv("NEWSROOM_FAULT", "exit")
    with pytest.raises(SystemExit) as error:
        _ = module.app
    assert error.value.code == 3


def test_the_worker_takes_jobs_and_leaves_a_heartbeat(make_service):
    service = make_service(version="1.2.3")
    worker = Worker(service)
    assert worker.once(service.cache) is False
    service.cache.push({"stored": 1})
    assert worker.once(service.cache) is True
    assert service.cache.get("newsroom:worked") == 1
    assert service.cache.get("newsroom:worker")["version"] == "1.2.3"
