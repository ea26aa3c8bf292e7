"""Runs against TOWLINE_BASE_URL: what must work wherever the service is deployed."""

import os
import ssl
import uuid

import httpx
import pytest

BASE = os.environ.get("TOWLINE_BASE_URL", "")
pytestmark = pytest.mark.skipif(not BASE, reason="TOWLINE_BASE_URL names no address")


@pytest.fixture
def client():
    context = ssl.create_default_context()
    if os.environ.get("TOWLINE_INSECURE") == "1":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with httpx.Client(base_url=BASE, verify=context, timeout=10) as client:
        yield client


def test_all_parts_are_healthy(client):
    answer = client.get("/health/overall")
    assert answer.status_code == 200, answer.text
    assert answer.json()["checks"] == {"database": "ok", "cache": "ok"}


def test_a_stored_item_is_read_back(client):
    title = f"end to end {uuid.uuid4()}"
    stored = client.post("/api/news", json={"title": title, "source": "e2e"})
    assert stored.status_code == 201, stored.text
    assert client.get(f"/api/news/{stored.json()['id']}").json()["title"] == title
    assert title in [item["title"] for item in client.get("/api/news").json()]


def test_nobody_chooses_their_own_address(client):
    said = client.get("/version", headers={"X-Forwarded-For": "203.0.113.9"}).json()["client"]
    assert said not in ("", "203.0.113.9")


def test_metrics_are_for_the_inner_network_only(client):
    behind_the_router = BASE.startswith("https://")
    answer = client.get("/metrics")
    assert answer.status_code == (404 if behind_the_router else 200)
    assert ("http_requests_total" in answer.text) != behind_the_router
