def test_the_page_lists_the_routes_and_loads_nothing(client):
    answer = client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    for path in ("/api/news", "/api/news/{identifier}", "/version"):
        assert f"<code>{path}</code>" in answer.text
    for loaded in ("<script", "<style", "<link", "<img", "http"):
        assert loaded not in answer.text
    assert client.get("/openapi.json").json()["info"]["version"] == "1.2.3"
