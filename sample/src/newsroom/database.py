"""News items in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import DateTime, String, Text, create_engine, func, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import QueuePool, StaticPool

# Connections that the pool may open for a while besides its own.
_OVERFLOW = 5


class Base(DeclarativeBase):
    """Base of all tables."""


class NewsItem(Base):
    """One news item."""

    __tablename__ = "news_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(300))
    source: Mapped[str] = mapped_column(String(100), index=True)
    body: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), default=lambda: datetime.now(UTC)
    )

    def as_dict(self) -> dict[str, object]:
        """The item as the API shows it."""
        return {
            "id": self.id,
            "title": self.title,
            "source": self.source,
            "body": self.body,
            "created_at": self.created_at.isoformat(),
        }


class Lost(Exception):
    """The database is lost, really or on purpose."""


class Database:
    """Stores and counts news items; connects when it is first asked."""

    def __init__(self, url: str, *, lost: bool = False) -> None:
        self._lost = lost
        if url.startswith("sqlite"):
            # One connection, or every thread would see an empty in-memory database of its own.
            options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        else:
            options = {
                "poolclass": QueuePool,
                "pool_size": 5,
                "max_overflow": _OVERFLOW,
                "pool_timeout": 5,
                "pool_pre_ping": True,
                "connect_args": {"connect_timeout": 3},
            }
        self._engine: Engine = create_engine(url, **options)

    def create_tables(self) -> None:
        """Make the tables; for tests. Production migrates with alembic."""
        Base.metadata.create_all(self._engine)

    def add(self, title: str, source: str, body: str = "") -> dict[str, object]:
        """Store an item and return it."""
        with self._session() as session:
            item = NewsItem(title=title, source=source, body=body)
            session.add(item)
            session.flush()
            return item.as_dict()

    def latest(self, limit: int = 50) -> list[dict[str, object]]:
        """The newest items."""
        with self._session() as session:
            found = session.scalars(select(NewsItem).order_by(NewsItem.id.desc()).limit(limit))
            return [item.as_dict() for item in found]

    def get(self, identifier: int) -> dict[str, object] | None:
        """One item."""
        with self._session() as session:
            item = session.get(NewsItem, identifier)
            return item.as_dict() if item else None

    def count(self) -> int:
        """How many items there are."""
        with self._session() as session:
            return session.scalar(select(func.count(NewsItem.id))) or 0

    def ping(self) -> None:
        """Ask the database anything.

        Raises:
            Lost: When it does not answer.
        """
        try:
            with self._session() as session:
                session.execute(text("select 1"))
        except Lost:
            raise
        except Exception as error:
            raise Lost(type(error).__name__) from error

    def pool(self) -> dict[str, int]:
        """Connections of the pool."""
        pool = self._engine.pool
        if not isinstance(pool, QueuePool):
            return {
                "size": 1, "in_use": 0, "idle": 1, "overflow": 0, "limit": 1, "available": 1,
            }  # fmt: skip
        limit = pool.size() + _OVERFLOW
        return {
            "size": pool.size(),
            "in_use": pool.checkedout(),
            "idle": pool.checkedin(),
            "overflow": max(0, pool.overflow()),
            "limit": limit,
            "available": limit - pool.checkedout(),
        }

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        if self._lost:
            raise Lost("NEWSROOM_FAULT=database")
        with Session(self._engine) as session, session.begin():
            yield session
