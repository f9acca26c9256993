"""A migrated copy of every service's database, one per test worker; emptied after each test that wrote."""

from importlib import import_module
from typing import Any
from uuid import uuid4

import asyncpg

from chassis.event_log.postgres import create_schema
from chassis.migrations import migrate
from chassis.settings import with_database
from contracts.catalogue import TOPICS


async def create_database(server_url: str, name: str) -> str:
    """An empty database; returns its URL."""
    connection = await asyncpg.connect(with_database(server_url, "postgres"))
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return with_database(server_url, name)


class Databases:
    """Databases made when first asked for."""

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self._suffix = uuid4().hex[:8]
        self._urls: dict[str, str] = {}

    async def of(self, package: str) -> str:
        """The URL of a service's migrated database."""
        if package not in self._urls:
            url = await create_database(self.server_url, f"{package}_{self._suffix}")
            import_module(package)
            await migrate(url, package)
            self._urls[package] = url
        return self._urls[package]

    async def event_log(self) -> str:
        """The URL of an event log with every topic."""
        if "event_log" not in self._urls:
            self._urls["event_log"] = await create_database(self.server_url, f"event_log_{self._suffix}")
            await create_schema(self._urls["event_log"], TOPICS)
        return self._urls["event_log"]

    async def empty(self) -> None:
        """Delete every row of every table but what migrations put there."""
        for name, url in self._urls.items():
            connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
            try:
                await connection.execute(_EMPTY)
                if name == "event_log":
                    await connection.execute("UPDATE partitions SET next_offset = 0")
            finally:
                await connection.close()


_EMPTY = """
DO $$
DECLARE name text; filled boolean;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'
        AND tablename NOT IN ('alembic_version', 'partitions')
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', name) INTO filled;
        IF filled THEN EXECUTE format('DELETE FROM %s', name); END IF;
    END LOOP;
END $$
"""
