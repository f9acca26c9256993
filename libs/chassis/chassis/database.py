"""One engine, two kinds of session: reads run in autocommit, writes are one transaction that the edge commits."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

logger = logging.getLogger(__name__)

BeforeCommit = Callable[[AsyncSession], Awaitable[None]]

# SQLSTATE classes and codes that pass by themselves (PostgreSQL 18, appendix A): connection trouble, lack of resources
# (disk full among them), serialization and deadlock, lock and statement time limits, shutdown, a read-only server.
_TRANSIENT_CLASSES = ("08", "53", "58")
_TRANSIENT_CODES = frozenset({"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "25006", "25P03"})


class AsyncReadSession(AsyncSession):
    """A session that only reads: every statement stands alone."""


def is_transient(error: BaseException) -> bool:
    """Whether trying again later can help: the fault lies with the database or the way to it, not with the input."""
    if _broke_off(error):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (error.orig is not None and is_transient(error.orig))
    # asyncpg's error, as SQLAlchemy wraps it, carries the SQLSTATE and the original behind it.
    code = getattr(error, "sqlstate", None)
    if isinstance(code, str):
        return code.startswith(_TRANSIENT_CLASSES) or code in _TRANSIENT_CODES
    if isinstance(error, asyncpg.InterfaceError):
        return "connection" in str(error) or "pool" in str(error)
    if isinstance(error, (OSError, TimeoutError, PoolTimeoutError)):
        return True
    cause = error.__cause__
    return cause is not None and isinstance(cause, asyncpg.PostgresError) and is_transient(cause)


def _broke_off(error: BaseException | None) -> bool:
    """Whether the server hung up between two statements: asyncpg stumbles over its own state, and so may a rollback."""
    while error is not None and not isinstance(error, asyncpg.InternalClientError):
        error = error.__cause__ or error.__context__
    return error is not None


def server_settings(name: str, *, statement_seconds: int = 30, lock_seconds: int = 10) -> dict[str, str]:
    """What each connection asks of the server: limits, so that nothing can hang or hold locks for ever."""
    return {
        "application_name": f"stave-{name}",
        "timezone": "UTC",
        "jit": "off",
        "statement_timeout": f"{statement_seconds}s",
        "lock_timeout": f"{lock_seconds}s",
        "idle_in_transaction_session_timeout": "60s",
    }


class Database:
    """A service's own database."""

    def __init__(self, url: str, *, name: str, pool_size: int = 8) -> None:
        self.url = url
        self.name = name
        self._engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=pool_size, max_overflow=4, pool_timeout=5, hide_parameters=True,
            connect_args={"server_settings": server_settings(name), "timeout": 5, "command_timeout": 60},
        )  # fmt: skip
        autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writes = async_sessionmaker(self._engine, expire_on_commit=False)
        self._reads = async_sessionmaker(autocommit, class_=AsyncReadSession, expire_on_commit=False)
        self._before_commit: list[BeforeCommit] = []

    def before_commit(self, hook: BeforeCommit) -> None:
        """Have something done at the end of each write transaction, in it."""
        self._before_commit.append(hook)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncReadSession]:
        """A session that sees what is committed, statement by statement."""
        async with self._reads() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises; then tells who waits."""
        async with self._writes() as session:
            async with session.begin():
                yield session
                for hook in self._before_commit:
                    await hook(session)
            for callback in session.info.pop("after_commit", ()):
                callback()

    async def connect(self, *, purpose: str) -> asyncpg.Connection:
        """A connection of its own, without statement limits, for advisory locks, LISTEN and long reads."""
        settings = server_settings(f"{self.name}-{purpose}") | {"statement_timeout": "0", "lock_timeout": "0"}
        return await asyncpg.connect(self.url, server_settings=settings, timeout=5)

    async def answers(self) -> bool:
        """Whether the database answers a trivial question."""
        async with self.read() as session:
            return bool(await session.scalar(text("SELECT true")))

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()


def after_commit(session: AsyncSession, callback: Callable[[], None]) -> None:
    """Call something once this session's transaction is durable; never when it is rolled back."""
    session.info.setdefault("after_commit", []).append(callback)


async def raw_connection(session: AsyncSession) -> asyncpg.Connection:
    """The driver's connection inside the session's transaction, for COPY and array parameters on hot paths."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = cast("asyncpg.Connection", cast(Any, raw).driver_connection)
    # SQLAlchemy sends BEGIN with its first statement; the driver alone would run outside the transaction.
    if not driver.is_in_transaction() and not isinstance(session, AsyncReadSession):
        await session.execute(text("SELECT 1"))
    return driver
