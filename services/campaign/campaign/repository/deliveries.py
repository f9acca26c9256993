"""Deliveries, their attempts and the messages they carry."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.errors import DeliveryDoesNotExist
from campaign.repository.query import Row, execute, fetch_all, fetch_one

CHANNEL = "stave_deliveries"


async def add_deliveries(
    session: AsyncSession, deliveries: Sequence[Mapping[str, Any]], bodies: Mapping[UUID, bytes], *, at: datetime
) -> None:
    """Add deliveries and the messages they carry, one per endpoint and event; wakes the dispatcher at commit."""
    if not deliveries:
        return
    await execute(
        session,
        "INSERT INTO messages (event_id, body, created_at) SELECT event_id, body, :at "
        "FROM unnest(CAST(:ids AS uuid[]), CAST(:bodies AS bytea[])) AS new (event_id, body) ON CONFLICT DO NOTHING",
        ids=list(bodies), bodies=list(bodies.values()), at=at,
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO deliveries SELECT * FROM jsonb_populate_recordset(NULL::deliveries, CAST(:rows AS jsonb)) "
        "ON CONFLICT DO NOTHING",
        rows=json.dumps(list(deliveries), default=str),
    )
    await wake_dispatchers(session)


async def wake_dispatchers(session: AsyncSession) -> None:
    """Have every dispatcher look, wherever it runs, once this transaction is committed."""
    await execute(session, "SELECT pg_notify(:channel, '')", channel=CHANNEL)


async def claim_due(session: AsyncSession, room: Mapping[str, int], *, now: datetime, until: datetime) -> Sequence[Row]:
    """Lease up to `room[lane]` due deliveries of each lane; a lease that runs out frees its delivery."""
    return await fetch_all(
        session,
        "WITH due AS (SELECT d.id FROM unnest(CAST(:lanes AS text[]), CAST(:rooms AS integer[])) AS asked (lane, room) "
        "CROSS JOIN LATERAL (SELECT id FROM deliveries WHERE lane = asked.lane AND state = 'pending' "
        "AND next_attempt_at <= :now AND (leased_until IS NULL OR leased_until <= :now) "
        "ORDER BY next_attempt_at LIMIT asked.room FOR UPDATE SKIP LOCKED) AS d), "
        "claimed AS (UPDATE deliveries SET leased_until = :until FROM due WHERE deliveries.id = due.id "
        "RETURNING deliveries.*) SELECT claimed.*, messages.body FROM claimed LEFT JOIN messages USING (event_id) "
        "ORDER BY next_attempt_at, id",
        lanes=list(room), rooms=list(room.values()), now=now, until=until,
    )  # fmt: skip


async def next_due(session: AsyncSession, lanes: Sequence[str], *, now: datetime) -> datetime | None:
    """When the next delivery of lanes from which all due ones are claimed can be: by its time, or its lease's end."""
    found = await fetch_one(
        session,
        "SELECT min(next.at) AS at FROM unnest(CAST(:lanes AS text[])) AS asked (lane) CROSS JOIN LATERAL ("
        "(SELECT next_attempt_at AS at FROM deliveries WHERE lane = asked.lane AND state = 'pending' "
        "AND next_attempt_at > :now ORDER BY next_attempt_at LIMIT 1) UNION ALL "
        "SELECT min(leased_until) FROM deliveries WHERE lane = asked.lane AND state = 'pending' "
        "AND next_attempt_at <= :now AND leased_until > :now) AS next",
        lanes=list(lanes), now=now,
    )  # fmt: skip
    return found["at"] if found else None


async def renew(session: AsyncSession, delivery_ids: Sequence[UUID], *, until: datetime) -> None:
    """Go on leasing what is in hand."""
    await execute(
        session,
        "UPDATE deliveries SET leased_until = :until WHERE id = ANY(:ids) AND state = 'pending' "
        "AND leased_until IS NOT NULL",
        ids=list(delivery_ids), until=until,
    )  # fmt: skip


async def release(session: AsyncSession, delivery_ids: Sequence[UUID]) -> None:
    """Give up leases on what was not tried."""
    await execute(session, "UPDATE deliveries SET leased_until = NULL WHERE id = ANY(:ids)", ids=list(delivery_ids))


async def record_attempts(session: AsyncSession, outcomes: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
    """Append one attempt per delivery and move the deliveries on; returns those that were still pending."""
    return await fetch_all(
        session,
        "WITH try AS (SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS try (id uuid, state text, "
        "next_attempt_at timestamptz, at timestamptz, status integer, duration_ms integer, error text, "
        "response text)), "
        "moved AS (UPDATE deliveries SET attempt_count = attempt_count + 1, round_count = round_count + 1, "
        "leased_until = NULL, updated_at = try.at, "
        "state = CASE deliveries.state WHEN 'pending' THEN try.state ELSE deliveries.state END, "
        "next_attempt_at = CASE deliveries.state WHEN 'pending' THEN try.next_attempt_at END "
        "FROM try WHERE deliveries.id = try.id RETURNING deliveries.*, OLD.state AS old_state), "
        "tried AS (INSERT INTO attempts (delivery_id, number, at, status, duration_ms, error, response) "
        "SELECT id, attempt_count, try.at, status, duration_ms, error, response FROM moved JOIN try USING (id)) "
        "SELECT * FROM moved WHERE old_state = 'pending'",
        rows=json.dumps(list(outcomes), default=str),
    )


async def mark_told(session: AsyncSession, told: Mapping[UUID, str]) -> None:
    """Remember what was published about deliveries, so that a resend does not tell it twice."""
    await execute(
        session,
        "UPDATE deliveries SET told = new.told FROM unnest(CAST(:ids AS uuid[]), CAST(:told AS text[])) "
        "AS new (id, told) WHERE deliveries.id = new.id",
        ids=list(told), told=list(told.values()),
    )  # fmt: skip


async def count_due(session: AsyncSession, *, now: datetime) -> int:
    """How many deliveries could be sent now."""
    found = await fetch_one(
        session, "SELECT count(*) FROM deliveries WHERE state = 'pending' AND next_attempt_at <= :now", now=now
    )
    return int(found["count"]) if found else 0


async def get_delivery(session: AsyncSession, delivery_id: UUID, *, owner: str | None) -> Row:
    """One webhook delivery; `owner` None sees all. Raises DeliveryDoesNotExist."""
    found = await fetch_one(
        session,
        "SELECT deliveries.*, endpoint.state AS endpoint_state FROM deliveries "
        "JOIN webhook_endpoints AS endpoint ON endpoint.id = endpoint_id "
        "WHERE deliveries.id = :id AND (CAST(:owner AS text) IS NULL OR owner = :owner)",
        id=delivery_id, owner=owner,
    )  # fmt: skip
    if found is None:
        raise DeliveryDoesNotExist(f"There is no delivery {delivery_id}.")
    return found


async def list_webhook_deliveries(
    session: AsyncSession,
    *,
    owner: str | None,
    endpoint_id: UUID | None,
    state: str | None,
    page: tuple[UUID | None, int],
) -> Sequence[Row]:
    """A page of webhook deliveries, newest first; `page` is (last id seen, size)."""
    before, limit = page
    return await fetch_all(
        session,
        "SELECT deliveries.* FROM deliveries JOIN webhook_endpoints AS endpoint ON endpoint.id = endpoint_id "
        "WHERE (CAST(:owner AS text) IS NULL OR owner = :owner) "
        "AND (CAST(:endpoint_id AS uuid) IS NULL OR endpoint_id = :endpoint_id) "
        "AND (CAST(:state AS text) IS NULL OR deliveries.state = :state) "
        "AND (CAST(:before AS uuid) IS NULL OR deliveries.id < :before) ORDER BY deliveries.id DESC LIMIT :limit",
        owner=owner, endpoint_id=endpoint_id, state=state, before=before, limit=limit,
    )  # fmt: skip


async def list_deliveries_of(session: AsyncSession, decision_ids: Sequence[UUID]) -> Sequence[Row]:
    """The deliveries that carry out these decisions."""
    return await fetch_all(
        session, "SELECT * FROM deliveries WHERE decision_id = ANY(:ids) ORDER BY id", ids=list(decision_ids)
    )


async def list_attempts(session: AsyncSession, delivery_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """The attempts of each delivery, in order."""
    rows = await fetch_all(
        session,
        "SELECT * FROM attempts WHERE delivery_id = ANY(:ids) ORDER BY delivery_id, number",
        ids=list(delivery_ids),
    )
    found: dict[UUID, list[Row]] = {delivery_id: [] for delivery_id in delivery_ids}
    for row in rows:
        found[row["delivery_id"]].append(row)
    return found


async def mark_pending(session: AsyncSession, delivery_ids: Sequence[UUID], *, at: datetime) -> None:
    """Start a new round of attempts now; the id, and so the receiver's deduplication, stays."""
    await execute(
        session,
        "UPDATE deliveries SET state = 'pending', round_count = 0, next_attempt_at = :at, leased_until = NULL, "
        "updated_at = :at WHERE id = ANY(:ids)",
        ids=list(delivery_ids), at=at,
    )  # fmt: skip
    await wake_dispatchers(session)


async def lock_range(
    session: AsyncSession, endpoint_id: UUID, *, since: datetime, until: datetime | None, states: Sequence[str]
) -> list[UUID]:
    """An endpoint's deliveries in these states, of the events from `since` until before `until`."""
    rows = await fetch_all(
        session,
        "SELECT id FROM deliveries WHERE endpoint_id = :id AND state = ANY(:states) AND created_at >= :since "
        "AND (CAST(:until AS timestamptz) IS NULL OR created_at < :until) FOR UPDATE",
        id=endpoint_id, since=since, until=until, states=list(states),
    )  # fmt: skip
    return [row["id"] for row in rows]


async def fail_pending(
    session: AsyncSession, *, at: datetime, endpoint_id: UUID | None = None, customer_id: UUID | None = None,
    keep_types: Sequence[str] = (),
) -> Sequence[Row]:  # fmt: skip
    """Give up what waits for an endpoint or about a customer; returns it."""
    assert endpoint_id is not None or customer_id is not None
    return await fetch_all(
        session,
        "UPDATE deliveries SET state = 'failed', next_attempt_at = NULL, updated_at = :at WHERE state = 'pending' "
        "AND (CAST(:endpoint_id AS uuid) IS NULL OR endpoint_id = :endpoint_id) "
        "AND (CAST(:customer_id AS uuid) IS NULL OR customer_id = :customer_id) "
        "AND event_type <> ALL(:keep_types) RETURNING *",
        endpoint_id=endpoint_id, customer_id=customer_id, keep_types=list(keep_types), at=at,
    )  # fmt: skip


async def mark_finished(session: AsyncSession, delivery_id: UUID, *, state: str, at: datetime) -> Row | None:
    """Close a delivery that no dispatcher carries (a call); None where it was closed before."""
    return await fetch_one(
        session,
        "UPDATE deliveries SET state = :state, attempt_count = 1, updated_at = :at "
        "WHERE id = :id AND state = 'pending' RETURNING *",
        id=delivery_id, state=state, at=at,
    )  # fmt: skip


async def forget_responses(session: AsyncSession, customer_id: UUID) -> None:
    """Erase what receivers answered about a customer."""
    await execute(
        session,
        "UPDATE attempts SET response = NULL FROM deliveries WHERE delivery_id = deliveries.id AND customer_id = :id",
        id=customer_id,
    )


async def prune(session: AsyncSession, *, before: datetime, limit: int) -> int:
    """Forget finished deliveries from before a time, and messages that none carries any more."""
    old = "SELECT id FROM deliveries WHERE created_at < :before AND state <> 'pending' ORDER BY created_at LIMIT :limit"
    gone = await fetch_all(
        session,
        f"WITH old AS ({old}), gone AS (DELETE FROM deliveries USING old WHERE deliveries.id = old.id "
        "RETURNING deliveries.id), tries AS (DELETE FROM attempts USING old WHERE delivery_id = old.id) "
        "SELECT id FROM gone",
        before=before, limit=limit,
    )  # fmt: skip
    await execute(
        session,
        "DELETE FROM messages WHERE created_at < :before AND NOT EXISTS "
        "(SELECT FROM deliveries WHERE deliveries.event_id = messages.event_id)",
        before=before,
    )
    return len(gone)
