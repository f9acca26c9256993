"""Merges as rows: which profile lives on in which, and what it brought."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from customer.repository.reading import instant

_RECORD = f"""json_build_object('id', id, 'from', from_id, 'into', into_id,
    'state', CASE WHEN undone_at IS NULL THEN 'merged' ELSE 'undone' END, 'cause', cause,
    'merged_at', {instant("merged_at")}, 'undone_at', {instant("undone_at")},
    'created_at', {instant("created_at")}, 'updated_at', {instant("updated_at")})"""


@dataclass(frozen=True, slots=True)
class Merge:
    """`from_id` lives on as `into_id`, until it is undone."""

    id: UUID
    from_id: UUID
    into_id: UUID
    cause: str
    brought: dict[str, Any]
    undone_at: datetime | None


async def add_merge(connection: asyncpg.Connection, merge: Merge, *, merged_at: datetime, created_at: datetime) -> None:
    """Record a merge."""
    await connection.execute(
        "INSERT INTO merges (id, from_id, into_id, cause, brought, merged_at, created_at, updated_at) "
        "VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $7)",
        merge.id, merge.from_id, merge.into_id, merge.cause, msgspec.json.encode(merge.brought).decode(), merged_at,
        created_at,
    )  # fmt: skip


async def find_merge(connection: asyncpg.Connection, merge_id: UUID) -> Merge | None:
    """A merge, locked until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT id, from_id, into_id, cause, brought::text, undone_at FROM merges WHERE id = $1 FOR UPDATE", merge_id
    )
    return None if row is None else Merge(**(dict(row) | {"brought": msgspec.json.decode(row["brought"])}))


async def find_merge_in_force(connection: asyncpg.Connection, from_id: UUID) -> UUID | None:
    """The merge by which a profile lives in another one."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM merges WHERE from_id = $1 AND undone_at IS NULL", from_id
    )
    return found


async def mark_undone(connection: asyncpg.Connection, merge_id: UUID, *, undone_at: datetime, now: datetime) -> None:
    """A merge is over; what it brought is not needed any more."""
    await connection.execute(
        "UPDATE merges SET undone_at = $2, updated_at = $3, brought = '{}' WHERE id = $1", merge_id, undone_at, now
    )


async def join(connection: asyncpg.Connection, *, absorbed: UUID, survivor: UUID) -> None:
    """Have a profile, and all who live in it, live in another one."""
    await connection.execute(
        "UPDATE customers SET survivor_id = $2, merged_into = CASE WHEN id = $1 THEN $2 ELSE merged_into END, "
        "version = version + 1 WHERE id = $1 OR survivor_id = $1",
        absorbed, survivor,
    )  # fmt: skip


async def part(connection: asyncpg.Connection, *, absorbed: UUID) -> int:
    """Have a profile live by itself again, with all who were merged into it; returns its new version."""
    version: int = await connection.fetchval(
        "WITH RECURSIVE below (id) AS (SELECT id FROM customers WHERE merged_into = $1 UNION ALL "
        "SELECT c.id FROM customers AS c JOIN below ON c.merged_into = below.id), "
        "moved AS (UPDATE customers SET survivor_id = $1 WHERE id IN (SELECT id FROM below)) "
        "UPDATE customers SET survivor_id = NULL, merged_into = NULL, version = version + 1 WHERE id = $1 "
        "RETURNING version",
        absorbed,
    )  # fmt: skip
    return version


async def read_merge(connection: asyncpg.Connection, merge_id: UUID) -> str | None:
    """A merge as JSON."""
    found: str | None = await connection.fetchval(f"SELECT {_RECORD}::text FROM merges WHERE id = $1", merge_id)
    return found


async def list_merges(
    connection: asyncpg.Connection, *, customer_id: UUID | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[asyncpg.Record]:
    """Merges, newest first, of one customer or of all."""
    at, merge_id = after or (None, None)
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        f"SELECT {_RECORD}::text AS body, created_at, id FROM merges "
        "WHERE ($1::uuid IS NULL OR from_id = $1 OR into_id = $1) "
        "AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid)) ORDER BY created_at DESC, id DESC LIMIT $4",
        customer_id, at, merge_id, limit,
    )  # fmt: skip
    return rows
