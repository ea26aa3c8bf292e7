import pytest
from fastapi.testclient import TestClient

from newsroom.app import create_app
from newsroom.cache import MemoryCache
from newsroom.database import Database
from newsroom.service import Service
from newsroom.settings import Settings


@pytest.fixture
def make_service():
    made = []

    def make(*faults, **settings):
        database = Database("sqlite+pysqlite:///:memory:", lost="database" in faults)
        database.create_tables()
        made.append(database)
        return Service(Settings(faults=frozenset(faults), **settings), database, MemoryCache())

    yield make
    for database in made:
        database.close()


@pytest.fixture
def client(make_service):
    return TestClient(
        create_app(
            make_service(version="1.2.3", commit="c0ffee", colour="blue", release="1.2.3+r2")
        )
    )
