"""Who is known, who became whom, and who must next be looked at."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

DUE_CHANNEL = "scoring_due"


async def list_erased(connection: asyncpg.Connection, customers: Iterable[UUID]) -> set[UUID]:
    """Those of the customers who were erased: nothing of them may come back."""
    rows = await connection.fetch("SELECT customer_id FROM erased WHERE customer_id = ANY($1)", list(customers))
    return {row[0] for row in rows}


async def lock(connection: asyncpg.Connection, customers: Iterable[UUID]) -> None:
    """Make sure each customer has a row and hold it until the transaction ends, always in the order of ids."""
    ordered = sorted(set(customers))
    await connection.execute("INSERT INTO customers (id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING", ordered)
    await connection.execute("SELECT 1 FROM customers WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", ordered)


async def lock_survivors(connection: asyncpg.Connection, customers: Iterable[UUID]) -> dict[UUID, UUID]:
    """Lock customers and their survivors; returns the survivor of each, which cannot change until the end."""
    survivors = await resolve(connection, customers)
    await lock(connection, [*survivors, *survivors.values()])
    # A merge may have been committed while we waited for its locks.
    certain = await resolve(connection, survivors)
    if certain != survivors:
        await lock(connection, certain.values())
    return certain


async def resolve(connection: asyncpg.Connection, customers: Iterable[UUID]) -> dict[UUID, UUID]:
    """The survivor of each customer; a customer never merged survives as itself."""
    wanted = list(set(customers))
    rows = await connection.fetch("SELECT from_id, root_id FROM aliases WHERE from_id = ANY($1)", wanted)
    merged = {row["from_id"]: row["root_id"] for row in rows}
    return {customer: merged.get(customer, customer) for customer in wanted}


async def list_members(connection: asyncpg.Connection, survivors: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Who was merged into each survivor; survivors of nobody are left out."""
    rows = await connection.fetch("SELECT root_id, from_id FROM aliases WHERE root_id = ANY($1)", list(survivors))
    members: dict[UUID, list[UUID]] = {}
    for row in rows:
        members.setdefault(row["root_id"], []).append(row["from_id"])
    return members


async def list_survivors(connection: asyncpg.Connection, *, after: UUID | None, limit: int) -> list[UUID]:
    """Everybody who was not merged into another, in the order of ids."""
    rows = await connection.fetch(
        "SELECT id FROM customers WHERE ($1::uuid IS NULL OR id > $1) AND NOT EXISTS "
        "(SELECT 1 FROM aliases WHERE from_id = customers.id) ORDER BY id LIMIT $2",
        after, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def save_profiles(connection: asyncpg.Connection, profiles: Sequence[tuple[Any, ...]]) -> set[UUID]:
    """Keep the newest version of profiles, given as (id, kind, attributes, version), an id at most once.

    Returns whose attributes are new or other than before.
    """
    ids, kinds, attributes, versions = map(list, zip(*profiles, strict=True))
    rows = await connection.fetch(
        "WITH before AS (SELECT id, attributes, version FROM customers WHERE id = ANY($1)), "
        "saved AS (INSERT INTO customers (id, kind, attributes, version) "
        "SELECT * FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::int[]) ORDER BY 1 "
        "ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, attributes = excluded.attributes, "
        "version = excluded.version WHERE customers.version < excluded.version "
        "RETURNING id, attributes) SELECT saved.id FROM saved LEFT JOIN before USING (id) "
        "WHERE before.id IS NULL OR before.version = 0 OR before.attributes <> saved.attributes",
        ids, kinds, [json.dumps(one) for one in attributes], versions,
    )  # fmt: skip
    return {row["id"] for row in rows}


async def list_traits(
    connection: asyncpg.Connection, customers: Sequence[UUID]
) -> dict[UUID, tuple[dict[str, Any], bool]]:
    """(declared attributes, whether any margin was assumed) of each customer that is known."""
    rows = await connection.fetch(
        "SELECT id, attributes::text AS attributes, margin_assumed FROM customers WHERE id = ANY($1)", list(customers)
    )
    return {row["id"]: (json.loads(row["attributes"]), row["margin_assumed"]) for row in rows}


async def mark_margin_assumed(connection: asyncpg.Connection, customers: Iterable[UUID]) -> None:
    """Remember that a margin of these customers rests on an assumed rate; the caller holds their locks."""
    await connection.execute(
        "UPDATE customers SET margin_assumed = true WHERE id = ANY($1) AND NOT margin_assumed", list(customers)
    )


async def is_known(connection: asyncpg.Connection, customer: UUID) -> bool:
    """Whether anything was ever told of the customer."""
    known: bool = await connection.fetchval("SELECT EXISTS (SELECT 1 FROM customers WHERE id = $1)", customer)
    return known


async def merge(connection: asyncpg.Connection, from_id: UUID, into_id: UUID, *, merge_id: UUID) -> UUID | None:
    """Have a customer live on as another; returns the survivor, None when the merge was undone already or is a loop."""
    await _lock_aliases(connection)
    if await connection.fetchval("SELECT 1 FROM undone_merges WHERE merge_id = $1", merge_id):
        return None
    survivor = (await resolve(connection, [into_id]))[into_id]
    if survivor == from_id:
        return None
    await connection.execute(
        "INSERT INTO aliases (from_id, into_id, root_id, merge_id) VALUES ($1, $2, $3, $4) ON CONFLICT (from_id) "
        "DO UPDATE SET into_id = excluded.into_id, root_id = excluded.root_id, merge_id = excluded.merge_id",
        from_id, into_id, survivor, merge_id,
    )  # fmt: skip
    await _point_below(connection, from_id, survivor)
    return survivor


async def unmerge(connection: asyncpg.Connection, from_id: UUID, *, merge_id: UUID) -> None:
    """Make a customer itself again, with those who had been merged into it before."""
    await _lock_aliases(connection)
    await connection.execute("INSERT INTO undone_merges (merge_id) VALUES ($1) ON CONFLICT DO NOTHING", merge_id)
    undone = await connection.fetchval(
        "DELETE FROM aliases WHERE from_id = $1 AND merge_id = $2 RETURNING from_id", from_id, merge_id
    )
    if undone is not None:
        await _point_below(connection, from_id, from_id)


async def _lock_aliases(connection: asyncpg.Connection) -> None:
    # Chains are followed across customers, so merges happen one at a time.
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('scoring_aliases'))")


async def _point_below(connection: asyncpg.Connection, top: UUID, root: UUID) -> None:
    await connection.execute(
        "WITH RECURSIVE below AS (SELECT from_id FROM aliases WHERE into_id = $1 UNION "
        "SELECT aliases.from_id FROM aliases JOIN below ON aliases.into_id = below.from_id) "
        "UPDATE aliases SET root_id = $2 WHERE from_id IN (SELECT from_id FROM below)",
        top, root,
    )  # fmt: skip


async def erase(connection: asyncpg.Connection, customer: UUID, *, erased_at: datetime) -> None:
    """Forget a customer and remember only that it was erased."""
    await connection.execute(
        "INSERT INTO erased (customer_id, erased_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", customer, erased_at
    )
    await connection.execute("DELETE FROM customers WHERE id = $1", customer)


async def mark_due(
    connection: asyncpg.Connection, customers: Iterable[UUID], *, due_at: datetime, settled_at: datetime | None = None
) -> None:
    """Have the scheduler look at customers from a business time on, but not before a time on the wall."""
    await connection.execute(
        "WITH due AS (UPDATE customers SET due_at = $2, due_cause = 'history', settled_at = $3 WHERE id IN "
        "(SELECT id FROM customers WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)) SELECT pg_notify($4, '')",
        list(customers), due_at, settled_at, DUE_CHANNEL,
    )  # fmt: skip


async def mark_all_due(connection: asyncpg.Connection, *, due_at: datetime) -> int:
    """Have the scheduler look at everybody; returns how many."""
    done = await connection.execute(
        "UPDATE customers SET due_at = $1, due_cause = 'history' WHERE id IN "
        "(SELECT id FROM customers WHERE NOT EXISTS (SELECT 1 FROM aliases WHERE from_id = customers.id) "
        "ORDER BY id FOR NO KEY UPDATE)",
        due_at,
    )
    await wake_scheduler(connection)
    return int(done.rsplit(" ", 1)[1])


async def wake_scheduler(connection: asyncpg.Connection) -> None:
    """Tell the scheduler, wherever it runs, that something waits for its turn."""
    await connection.execute("SELECT pg_notify($1, '')", DUE_CHANNEL)


async def plan_next_looks(connection: asyncpg.Connection, looks: Sequence[tuple[UUID, datetime | None]]) -> None:
    """Set when time alone makes each customer due again; None for those nobody needs to look at."""
    await connection.execute(
        "UPDATE customers SET due_at = planned.at, due_cause = 'time', settled_at = NULL "
        "FROM unnest($1::uuid[], $2::timestamptz[]) AS planned (id, at) WHERE customers.id = planned.id",
        [customer for customer, _ in looks], [at for _, at in looks],
    )  # fmt: skip


async def look_no_later(connection: asyncpg.Connection, customer: UUID, at: datetime) -> None:
    """Have the scheduler look at a customer by a business time at the latest."""
    await connection.execute(
        "WITH due AS (UPDATE customers SET due_at = least(due_at, $2) WHERE id = $1) SELECT pg_notify($3, '')",
        customer, at, DUE_CHANNEL,
    )  # fmt: skip


async def claim_due(
    connection: asyncpg.Connection, *, business_now: datetime, system_now: datetime, limit: int
) -> dict[UUID, str]:
    """Lock the next customers that are due, with the cause; those another transaction holds are left for later."""
    rows = await connection.fetch(
        "SELECT id, due_cause FROM customers WHERE due_at <= $1 AND (settled_at IS NULL OR settled_at <= $2) "
        "ORDER BY due_at, id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
        business_now, system_now, limit,
    )  # fmt: skip
    return {row["id"]: row["due_cause"] for row in rows}


async def count_due(connection: asyncpg.Connection, *, business_now: datetime) -> int:
    """How many customers wait to be looked at."""
    count: int = await connection.fetchval("SELECT count(*) FROM customers WHERE due_at <= $1", business_now)
    return count


async def count_catching_up(connection: asyncpg.Connection) -> int:
    """How many customers wait because of history: an import, a merge, a new model or policy."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM customers WHERE due_cause = 'history' AND due_at IS NOT NULL"
    )
    return count


async def next_due(
    connection: asyncpg.Connection, *, business_now: datetime
) -> tuple[datetime | None, datetime | None]:
    """(the next business time anybody is due, the time on the wall at which the first of those due has settled)."""
    due_at = await connection.fetchval("SELECT min(due_at) FROM customers WHERE due_at > $1", business_now)
    settled_at = await connection.fetchval(
        "SELECT min(settled_at) FROM customers WHERE due_cause = 'history' AND due_at IS NOT NULL AND due_at <= $1",
        business_now,
    )
    return due_at, settled_at


async def business_time(connection: asyncpg.Connection) -> datetime | None:
    """Where the virtual clock was set last; None when it never was."""
    found: datetime | None = await connection.fetchval("SELECT business_now FROM clock")
    return found
