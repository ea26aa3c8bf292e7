import pytest
from fastapi.testclient import TestClient

from newsroom import app as module
from newsroom.app import create_app
from newsroom.worker import Worker


def test_a_healthy_service_says_so(client):
    assert client.get("/health/overall").json()["status"] == "healthy"
    assert client.get("/health/live").status_code == 200
    assert set(client.get("/health/database/pool").json()) == {"size", "in_use", "idle", "overflow"}


def test_every_answer_names_its_release(client):
    answer = client.get("/version")
    said = {"version": "1.2.3", "commit": "c0ffee", "colour": "blue", "client": "testclient"}
    assert answer.json() == said
    assert answer.headers["x-release"] == "1.2.3"


def test_requests_are_counted_by_route(client):
    client.get("/api/news/41")
    client.get("/api/news/42")
    text = client.get("/metrics").text
    assert (
        'http_requests_total{method="GET",route="/api/news/{identifier}",status="404"} 2.0' in text
    )
    assert "http_request_duration_seconds_bucket" in text


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
