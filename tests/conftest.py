"""Fixtures every test may use: a real PostgreSQL, migrated databases, services on them."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.database import Database
from chassis.event_log import EventLog, open_event_log
from chassis.identity import Identity, sign_identity
from chassis.service import Service
from chassis.settings import Settings
from tests.support.databases import Databases, create_database
from tests.support.engines import do_without

SECRET = "a-secret-key-for-tests-that-is-long-enough"
INSTALLATION = UUID("11111111-2222-5333-8444-555555555555")

SettingsFor = Callable[..., Awaitable[Any]]
ClientFor = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test worker's own, or the one STAVE_TEST_DATABASE_URL names."""
    if given := os.environ.get("STAVE_TEST_DATABASE_URL"):
        yield given
        return
    from standalone.errors import Refusal
    from standalone.postgres import PostgresServer

    with tempfile.TemporaryDirectory(prefix="stave-test-") as folder:
        server = PostgresServer(Path(folder) / "pg", ends_with_parent=True)
        try:
            try:
                url = server.start()
            except Refusal as refusal:
                do_without("PostgreSQL", reason=refusal)
            yield url
        finally:
            server.stop()
            # Root's servers live elsewhere; the folder says where.
            pointer = Path(folder) / "pg" / "location"
            if pointer.exists():
                shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> Databases:
    """This worker's databases."""
    return Databases(postgres_url)


@pytest.fixture
async def settings_for(databases: Databases) -> AsyncIterator[SettingsFor]:
    """`await settings_for(CampaignSettings, currency="GBP")`: settings on migrated databases, empty at each test."""

    async def make(settings_class: type[Settings] = Settings, **overrides: Any) -> Settings:
        package = settings_class.__module__.split(".", 1)[0]
        urls = {} if package == "chassis" else {package: await databases.of(package)}
        values: dict[str, Any] = {
            "database_url": databases.server_url, "database_urls": urls, "event_log_url": await databases.event_log(),
            "secret_key": SECRET, "installation_id": INSTALLATION,
        }  # fmt: skip
        return settings_class(_env_file=None, **(values | overrides))

    yield make
    await databases.empty()


@pytest.fixture
async def event_log(databases: Databases) -> AsyncIterator[EventLog]:
    """An empty embedded event log."""
    log = open_event_log(await databases.event_log())
    yield log
    await log.close()
    await databases.empty()


@pytest.fixture
async def scratch_database(postgres_url: str) -> AsyncIterator[Database]:
    """A database with the chassis's own tables and nothing else."""
    from uuid import uuid4

    import asyncpg

    from chassis.migrations import CHASSIS_TABLES

    url = await create_database(postgres_url, f"scratch_{uuid4().hex[:8]}")
    connection = await asyncpg.connect(url)
    await connection.execute(CHASSIS_TABLES)
    await connection.close()
    database = Database(url, name="scratch")
    yield database
    await database.close()


@asynccontextmanager
async def _client(
    service: Service, *, scopes: tuple[str, ...] = ("admin",), subject: str = "test"
) -> AsyncIterator[httpx.AsyncClient]:
    token = sign_identity(service.settings.key, Identity(subject=subject, scopes=frozenset(scopes)))
    transport = httpx.ASGITransport(app=service.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url=f"http://{service.name}", headers={"stave-identity": token}
    ) as client:
        yield client


@pytest.fixture
def service_client() -> ClientFor:
    """`async with service_client(service, scopes=("scores:read",)) as client`: HTTP with a signed identity."""
    return _client


@pytest.fixture
def running() -> Callable[[Service], AbstractAsyncContextManager[Service]]:
    """`async with running(service)`: the service with its workers."""
    return lambda service: service.running()
