"""Health, version and metrics."""

import time

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from newsroom.database import Lost
from newsroom.service import Service


def router(service: Service) -> APIRouter:
    """The routes that machines ask."""
    routes = APIRouter()

    @routes.get("/health/live")
    def live() -> dict[str, str]:
        return {"status": "alive"}

    @routes.get("/health/database")
    def database() -> JSONResponse:
        return _answer({"database": _database(service)})

    @routes.get("/health/database/pool")
    def pool() -> dict[str, int]:
        return service.database.pool()

    @routes.get("/health/overall")
    def overall() -> JSONResponse:
        return _answer(_checks(service), pool=service.database.pool())

    @routes.get("/version")
    def version(request: Request) -> dict[str, str]:
        given = service.settings
        return {
            "version": service.version,
            "commit": given.commit,
            "colour": given.colour,
            "client": request.client.host if request.client else "",
        }

    @routes.get("/metrics")
    def metrics() -> Response:
        _checks(service)
        service.metrics.show_pool(service.database.pool())
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return routes


def _checks(service: Service) -> dict[str, str]:
    checks = {"database": _database(service), "cache": _cache(service)}
    if service.broken("health"):
        checks["fault"] = "NEWSROOM_FAULT=health"
    service.metrics.healthy.set(all(state == "ok" for state in checks.values()))
    return checks


def _answer(checks: dict[str, str], **figures: dict[str, int]) -> JSONResponse:
    healthy = all(state == "ok" for state in checks.values())
    content = {"status": "healthy" if healthy else "unhealthy", "checks": checks, **figures}
    return JSONResponse(content, status_code=200 if healthy else 503)


def _database(service: Service) -> str:
    started = time.perf_counter()
    try:
        service.database.ping()
    except Lost as error:
        service.metrics.database_up.set(0)
        return f"lost: {error}"
    service.metrics.database_seconds.set(time.perf_counter() - started)
    service.metrics.database_up.set(1)
    return "ok"


def _cache(service: Service) -> str:
    try:
        service.cache.ping()
    except Exception as error:
        return f"lost: {type(error).__name__}"
    return "ok"
