"""Deleting everything about a customer."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

# By the column that names the customer; profiles last, since identifiers refer to them.
_TABLES = {
    "identifiers": "customer_id", "consents": "customer_id", "consent_history": "customer_id",
    "interaction_counts": "customer_id", "recent_interactions": "customer_id", "standings": "customer_id",
    "standing_history": "customer_id", "alerts": "customer_id", "actions": "customer_id", "merges": "from_id",
    "customers": "id",
}  # fmt: skip


async def members_of(connection: asyncpg.Connection, survivor: UUID) -> list[UUID]:
    """A customer and all who were merged into them, locked until the transaction ends."""
    rows = await connection.fetch(
        "SELECT id FROM customers WHERE id = $1 OR survivor_id = $1 ORDER BY id FOR UPDATE", survivor
    )
    return [row["id"] for row in rows]


async def delete_rows(connection: asyncpg.Connection, ids: Sequence[UUID], *, erased_at: datetime) -> dict[str, int]:
    """Delete every row about these customers; returns how many by table.

    What stays is each id with the time, so that no event from before brings anything back.
    """
    deleted = {}
    for table, column in _TABLES.items():
        tag = await connection.execute(f"DELETE FROM {table} WHERE {column} = ANY($1::uuid[])", ids)
        deleted[table] = int(tag.rsplit(" ", 1)[1])
    # Answers kept for requests that are repeated show the profile as it was.
    tag = await connection.execute(
        "DELETE FROM idempotency USING unnest($1::uuid[]) AS erased (id) "
        "WHERE position(convert_to(erased.id::text, 'UTF8') IN body) > 0",
        ids,
    )
    deleted["idempotency"] = int(tag.rsplit(" ", 1)[1])
    await connection.execute(
        "INSERT INTO erased_customers (id, erased_at) SELECT *, $2::timestamptz FROM unnest($1::uuid[]) "
        "ON CONFLICT (id) DO UPDATE SET erased_at = excluded.erased_at",
        ids, erased_at,
    )  # fmt: skip
    return deleted


async def erased_at(connection: asyncpg.Connection, ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When customers were erased, of those that were."""
    rows = await connection.fetch("SELECT id, erased_at FROM erased_customers WHERE id = ANY($1::uuid[])", ids)
    return {row["id"]: row["erased_at"] for row in rows}
