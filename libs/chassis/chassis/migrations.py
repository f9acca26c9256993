"""Migrations: each service has its own, and each starts from the tables every service needs.

Alembic is imported only when a database is behind: it costs 0.4 s of a start.
"""

import logging
from collections.abc import Mapping
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine

logger = logging.getLogger(__name__)

CHASSIS_TABLES = """
CREATE TABLE outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    payload bytea STORAGE EXTERNAL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    consumer text NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    key text NOT NULL,
    event_id uuid,
    event_type text,
    payload bytea,
    error text NOT NULL,
    state text NOT NULL DEFAULT 'buried' CHECK (state IN ('buried', 'replayed', 'discarded')),
    buried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz
);
CREATE INDEX dead_letters_blocked ON dead_letters (consumer, key) WHERE state = 'buried';
CREATE INDEX dead_letters_listed ON dead_letters (buried_at, id);
CREATE UNIQUE INDEX dead_letters_once ON dead_letters (consumer, topic, partition, "offset") WHERE event_id IS NULL;
CREATE TABLE parked (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    key text NOT NULL,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    payload bytea,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX parked_by_key ON parked (consumer, key, seq);
CREATE TABLE idempotency (
    scope text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status int NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'succeeded', 'failed')),
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    result jsonb,
    error text,
    attempts int NOT NULL DEFAULT 0,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX jobs_open ON jobs (created_at) WHERE state IN ('queued', 'running');
CREATE TABLE clock (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    business_now timestamptz NOT NULL
);
"""


def create_chassis_tables(op: Any) -> None:
    """Create the tables every service has; called first in a service's first migration."""
    for statement in CHASSIS_TABLES.strip().split(";\n"):
        if statement.strip():
            op.execute(statement)


def head_of(package: str) -> str:
    """The newest revision of a service, read from the file names `NNNN_what.py`."""
    versions = Path(str(resources.files(f"{package}.migrations"))) / "versions"
    return max(path.stem.split("_", 1)[0] for path in versions.glob("[0-9]*.py"))


async def current_revision(database_url: str) -> str | None:
    """The revision a database is at; None before the first migration."""
    connection = await asyncpg.connect(database_url, timeout=5)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        return found
    finally:
        await connection.close()


async def ensure_database(database_url: str) -> None:
    """Create the database itself where it is missing and we may."""
    from urllib.parse import urlsplit

    from chassis.settings import with_database

    name = urlsplit(database_url).path.lstrip("/")
    connection = await asyncpg.connect(with_database(database_url, "postgres"), timeout=5)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}"')
    except asyncpg.DuplicateDatabaseError:
        logger.info("database %s was made by somebody else at the same moment", name)
    finally:
        await connection.close()


class NewerDatabase(Exception):
    """The database was migrated by a newer version of this program."""


async def migrate(database_url: str, package: str) -> bool:
    """Bring a service's database to its newest revision; True when there was something to do.

    Raises NewerDatabase when the database is ahead of this program.
    """
    head, current = head_of(package), await current_revision(database_url)
    if current == head:
        return False
    if current is not None and current > head:
        raise NewerDatabase(
            f"The database of {package} is at revision {current}; this version knows {head}. Start the version that "
            f"wrote it, or a newer one."
        )
    await _upgrade(database_url, package)
    return True


async def _upgrade(database_url: str, package: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(str(import_module(f"{package}.migrations").__file__)).parent))
    config.set_main_option("path_separator", "os")
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://", 1))

    def upgrade(connection: Any) -> None:
        connection.exec_driver_sql("SET lock_timeout = '5s'")
        # Two processes that start at once must not both migrate.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('stave_migrations'))")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


def run_environment(attributes: Mapping[str, Any] | None = None) -> None:
    """What each service's `migrations/env.py` calls: run inside the connection that `migrate` opened."""
    from alembic import context

    settings = context.config.attributes if attributes is None else attributes
    context.configure(connection=settings["connection"], transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()
