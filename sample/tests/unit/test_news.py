from fastapi.testclient import TestClient

from newsroom.app import create_app

ITEM = {"title": "Towline sails", "source": "harbour"}


def test_what_was_stored_is_listed_counted_and_found(client):
    stored = client.post("/api/news", json=ITEM)
    assert stored.status_code == 201
    assert [item["title"] for item in client.get("/api/news").json()] == ["Towline sails"]
    assert client.get(f"/api/news/{stored.json()['id']}").json()["source"] == "harbour"
    assert client.get("/api/stats").json()["items"] == 1


def test_the_list_is_cached_until_something_is_stored(client):
    assert client.get("/api/news").json() == []
    client.post("/api/news", json=ITEM)
    assert len(client.get("/api/news").json()) == 1


def test_unknown_and_invalid_items_are_refused(client):
    assert client.get("/api/news/99").status_code == 404
    assert client.post("/api/news", json={"title": ""}).status_code == 422


def test_the_websocket_answers(client):
    with client.websocket_connect("/ws") as socket:
        socket.send_text("ping")
        assert socket.receive_text() == "pong"
        socket.send_text("hello")
        assert socket.receive_text() == "hello"


def test_errors_on_purpose_leave_health_alone(make_service):
    client = TestClient(create_app(make_service("errors")))
    assert client.get("/api/news").status_code == 500
    assert client.get("/health/overall").status_code == 200


def test_a_lost_database_shows_everywhere(make_service):
    client = TestClient(create_app(make_service("database")))
    assert client.get("/api/news").status_code == 503
    assert client.get("/health/database").status_code == 503
    assert "database_up 0.0" in client.get("/metrics").text
