"""The news API and the WebSocket."""

import time

from fastapi import APIRouter, HTTPException, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field

from newsroom.database import Lost
from newsroom.service import Service

LATEST = "newsroom:latest"
_CACHED_SECONDS = 30


class NewItem(BaseModel):
    """What a client sends."""

    title: str = Field(min_length=1, max_length=300)
    source: str = Field(min_length=1, max_length=100)
    body: str = ""


def router(service: Service) -> APIRouter:
    """The routes that people use."""
    routes = APIRouter()

    @routes.get("/api/news")
    def latest() -> list[dict[str, object]]:
        _be_bad(service)
        found = service.cache.get(LATEST)
        if found is None:
            found = _stored(service.database.latest)
            service.cache.put(LATEST, found, _CACHED_SECONDS)
        return found

    @routes.post("/api/news", status_code=201)
    def add(item: NewItem) -> dict[str, object]:
        _be_bad(service)
        stored = _stored(lambda: service.database.add(item.title, item.source, item.body))
        service.cache.drop(LATEST)
        service.cache.push({"stored": stored["id"]})
        service.metrics.items.inc()
        return stored

    @routes.get("/api/news/{identifier}")
    def one(identifier: int) -> dict[str, object]:
        _be_bad(service)
        found = _stored(lambda: service.database.get(identifier))
        if found is None:
            raise HTTPException(404, f"there is no news item {identifier}")
        return found

    @routes.get("/api/stats")
    def stats() -> dict[str, object]:
        _be_bad(service)
        return {
            "items": _stored(service.database.count),
            "asked": service.cache.count("newsroom:asked"),
            "worked": service.cache.get("newsroom:worked") or 0,
            "worker": service.cache.get("newsroom:worker"),
        }

    @routes.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                said = await socket.receive_text()
                await socket.send_text("pong" if said == "ping" else said)
        except WebSocketDisconnect:
            return

    return routes


def _be_bad(service: Service) -> None:
    if service.broken("errors"):
        raise HTTPException(500, "NEWSROOM_FAULT=errors")
    if service.broken("slow"):
        time.sleep(5)


def _stored(ask):  # type: ignore[no-untyped-def]
    try:
        return ask()
    except Lost as error:
        raise HTTPException(503, f"the database is lost: {error}") from error
