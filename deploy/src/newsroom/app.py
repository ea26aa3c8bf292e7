"""The application: `uvicorn newsroom.app:app`."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from newsroom import docs, health, news
from newsroom.metrics import Measure
from newsroom.service import Service, build
from newsroom.settings import Settings

log = logging.getLogger("newsroom")


def create_app(service: Service) -> FastAPI:
    """An application around the parts of a service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        log.info("newsroom %s is ready", service.version)
        yield
        service.database.close()
        log.info("newsroom %s stopped", service.version)

    # The page at /docs is our own: FastAPI's loads scripts of others, which the router forbids.
    app = FastAPI(
        title="Newsroom", version=service.version, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.include_router(docs.router(app))
    app.include_router(health.router(service))
    app.include_router(news.router(service))
    app.add_middleware(Measure, metrics=service.metrics, release=service.version)
    return app


def _start() -> FastAPI:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    settings = Settings.from_environment()
    if "exit" in settings.faults:
        log.error("cannot start: NEWSROOM_FAULT=exit")
        sys.exit(3)
    return create_app(build(settings))


def __getattr__(name: str) -> FastAPI:
    # Built when a server asks for it: importing this module connects and configures nothing.
    if name == "app":
        return _start()
    raise AttributeError(name)
