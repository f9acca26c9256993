"""The local copy of what this service needs to know of customers: identities, merges, erasures."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from interaction.domain.aliases import Merge, survivors

_SAVE_IDENTITIES = """
INSERT INTO identities (source, external_id, customer_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[]) AS new (source, external_id, customer_id)
ORDER BY new.source COLLATE "C", new.external_id COLLATE "C"
ON CONFLICT (source, external_id) DO UPDATE SET customer_id = excluded.customer_id
WHERE identities.customer_id <> excluded.customer_id AND NOT EXISTS (
    SELECT 1 FROM customers WHERE id = identities.customer_id AND survivor_id = excluded.customer_id)
"""


async def add_customers(connection: asyncpg.Connection, customer_ids: Sequence[UUID]) -> None:
    """Know of customers."""
    await connection.execute(
        "INSERT INTO customers (id) SELECT DISTINCT * FROM unnest($1::uuid[]) ORDER BY 1 ON CONFLICT DO NOTHING",
        list(customer_ids),
    )


async def save_identities(connection: asyncpg.Connection, owners: dict[tuple[str, str], UUID]) -> None:
    """Take over who owns external ids; one of a profile merged into the new owner stays its own, for un-merging."""
    await connection.execute(
        _SAVE_IDENTITIES, [key[0] for key in owners], [key[1] for key in owners], list(owners.values())
    )  # fmt: skip


async def lock_merges(connection: asyncpg.Connection) -> None:
    """Let one transaction at a time change merges: survivors are worked out from all of them."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('interaction_merges'))")


async def save_merge(connection: asyncpg.Connection, merge: Merge, merge_id: UUID) -> None:
    """Note that a customer lives on in another."""
    await connection.execute(
        "INSERT INTO customers (id, merge_id, into_id, merged_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE "
        "SET merge_id = excluded.merge_id, into_id = excluded.into_id, merged_at = excluded.merged_at",
        merge.customer_id, merge_id, merge.into, merge.merged_at,
    )  # fmt: skip


async def remove_merge(connection: asyncpg.Connection, customer_id: UUID) -> None:
    """Note that a customer is itself again."""
    await connection.execute(
        "UPDATE customers SET merge_id = NULL, into_id = NULL, merged_at = NULL, survivor_id = NULL WHERE id = $1",
        customer_id,
    )


async def resolve_survivors(connection: asyncpg.Connection, customer_ids: Sequence[UUID]) -> None:
    """Work out anew who survives among everybody that merges connect with these customers."""
    rows = await connection.fetch(
        "WITH RECURSIVE family AS (SELECT unnest($1::uuid[]) AS id "
        "UNION SELECT related.id FROM family CROSS JOIN LATERAL "
        "(SELECT into_id AS id FROM customers WHERE customers.id = family.id AND into_id IS NOT NULL "
        "UNION ALL SELECT customers.id FROM customers WHERE into_id = family.id) AS related) "
        "SELECT customers.id, into_id, merged_at FROM customers JOIN family USING (id) WHERE into_id IS NOT NULL",
        list(customer_ids),
    )
    found = survivors(Merge(row["id"], row["into_id"], row["merged_at"]) for row in rows)
    await connection.execute(
        "UPDATE customers SET survivor_id = NULLIF(new.survivor_id, new.id) "
        "FROM unnest($1::uuid[], $2::uuid[]) AS new (id, survivor_id) WHERE customers.id = new.id",
        list(found), list(found.values()),
    )  # fmt: skip


async def erase(connection: asyncpg.Connection, customer_id: UUID, at: datetime) -> None:
    """Forget everything about a customer and the profiles merged into it, but that they were erased."""
    rows = await connection.fetch("SELECT id FROM customers WHERE survivor_id = $1 OR id = $1", customer_id)
    family = [customer_id, *(row["id"] for row in rows if row["id"] != customer_id)]
    await connection.execute(
        "WITH gone AS (DELETE FROM interactions WHERE customer_id = ANY($1::uuid[]) RETURNING source, source_id) "
        "DELETE FROM deduplication USING gone WHERE deduplication.source = gone.source "
        "AND deduplication.source_id = gone.source_id",
        family,
    )
    await connection.execute("DELETE FROM identities WHERE customer_id = ANY($1::uuid[])", family)
    await connection.execute(
        "INSERT INTO customers (id, erased_at) SELECT *, $2 FROM unnest($1::uuid[]) ON CONFLICT (id) DO UPDATE "
        "SET erased_at = excluded.erased_at",
        family, at,
    )  # fmt: skip


async def find_erased(connection: asyncpg.Connection, customer_ids: Sequence[UUID]) -> set[UUID]:
    """Those among customers that were erased."""
    rows = await connection.fetch(
        "SELECT id FROM customers WHERE id = ANY($1::uuid[]) AND erased_at IS NOT NULL", list(customer_ids)
    )
    return {row["id"] for row in rows}
