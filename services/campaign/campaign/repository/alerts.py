"""Local copies of churn alerts, as far as deciding needs them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.repository.query import execute, fetch_all


async def lock_alerts(session: AsyncSession, alert_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The alerts we know of these, locked."""
    rows = await fetch_all(
        session, "SELECT * FROM alerts WHERE id = ANY(:ids) ORDER BY id FOR UPDATE", ids=sorted(set(alert_ids))
    )
    return {row["id"]: dict(row) for row in rows}


async def save_alerts(session: AsyncSession, alerts: Sequence[Mapping[str, Any]]) -> None:
    """Write alerts whose newest version the caller has decided about."""
    await execute(
        session,
        "INSERT INTO alerts AS kept SELECT * FROM jsonb_populate_recordset(NULL::alerts, CAST(:rows AS jsonb)) "
        "ON CONFLICT (id) DO UPDATE SET version = excluded.version, snapshot = excluded.snapshot, "
        "backfill = excluded.backfill, event_id = excluded.event_id, traceparent = excluded.traceparent, "
        "correlation_id = excluded.correlation_id, updated_at = excluded.updated_at "
        "WHERE kept.version < excluded.version",
        rows=json.dumps(list(alerts), default=str),
    )


async def mark_alerts(session: AsyncSession, alert_ids: Sequence[UUID], *, state: str) -> None:
    """Put alerts into a state."""
    if alert_ids:
        await execute(
            session, "UPDATE alerts SET state = :state WHERE id = ANY(:ids)", state=state, ids=list(alert_ids)
        )


async def mark_held_out(session: AsyncSession, alert_ids: Sequence[UUID]) -> None:
    """Remember that these alerts' customers are somebody's control group."""
    if alert_ids:
        await execute(session, "UPDATE alerts SET held_out = true WHERE id = ANY(:ids)", ids=list(alert_ids))


async def list_held_out(session: AsyncSession, alert_ids: Sequence[UUID]) -> set[UUID]:
    """The alerts among these that partners without include_hold_out must not see."""
    rows = await fetch_all(session, "SELECT id FROM alerts WHERE id = ANY(:ids) AND held_out", ids=list(alert_ids))
    return {row["id"] for row in rows}


async def list_open_alerts_of(session: AsyncSession, customer_id: UUID) -> list[UUID]:
    """A customer's alerts that could still lead to an action."""
    rows = await fetch_all(
        session,
        "SELECT id FROM alerts WHERE customer_id = :id AND state = 'open' ORDER BY id FOR UPDATE",
        id=customer_id,
    )
    return [row["id"] for row in rows]
