"""Health, version and metrics."""

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
        checks = {"database": _database(service), "cache": _cache(service)}
        if service.broken("health"):
            checks["fault"] = "NEWSROOM_FAULT=health"
        return _answer(checks)

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
        _database(service)
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return routes


def _answer(checks: dict[str, str]) -> JSONResponse:
    healthy = all(state == "ok" for state in checks.values())
    content = {"status": "healthy" if healthy else "unhealthy", "checks": checks}
    return JSONResponse(content, status_code=200 if healthy else 503)


def _database(service: Service) -> str:
    try:
        service.database.ping()
    except Lost as error:
        service.metrics.database_up.set(0)
        return f"lost: {error}"
    service.metrics.database_up.set(1)
    return "ok"


def _cache(service: Service) -> str:
    try:
        service.cache.ping()
    except Exception as error:
        return f"lost: {type(error).__name__}"
    return "ok"
