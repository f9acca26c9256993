"""Brings every database of the platform into being and up to date before anything is served from it."""

from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

import asyncpg

from chassis.event_log.postgres import create_schema
from chassis.migrations import NewerDatabase, ensure_database, migrate
from chassis.settings import Settings, with_database
from contracts.catalogue import TOPICS
from standalone.errors import Refusal

OLDEST_SERVER = 18


async def check_server(url: str) -> None:
    """Refuse a server that does not answer or is older than what the queries are written for."""
    try:
        connection = await asyncpg.connect(with_database(url, "postgres"), timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Refusal(
            f"No PostgreSQL answers at {_place(url)} (STAVE_DATABASE_URL): {str(error) or 'it took too long'}."
        ) from error
    try:
        major = connection.get_server_version().major
    finally:
        await connection.close()
    if major < OLDEST_SERVER:
        raise Refusal(
            f"The PostgreSQL at {_place(url)} is version {major}: Stave needs {OLDEST_SERVER} or newer. Leave "
            "STAVE_DATABASE_URL out and it brings its own."
        )


async def prepare_databases(settings: Settings, members: Iterable[str]) -> None:
    """Create and migrate the database of each member, and the event log's. Raises Refusal for a newer one."""
    try:
        for member in members:
            url = settings.database_url_for(member)
            await ensure_database(url)
            await migrate(url, member)
        if settings.log_url.startswith("postgresql"):
            await ensure_database(settings.log_url)
            await create_schema(settings.log_url, TOPICS)
    except NewerDatabase as error:
        raise Refusal(str(error)) from error
    except asyncpg.DiskFullError as error:
        raise Refusal("The disk that holds the database is full: free some space and start again.") from error


def _place(url: str) -> str:
    """Server and port of a URL, without its password."""
    parts = urlsplit(url)
    host = parts.hostname or ", ".join(parse_qs(parts.query).get("host", ["the default socket"]))
    return f"{host}:{parts.port}" if parts.port else host
