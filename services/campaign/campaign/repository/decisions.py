"""The ledger of decisions."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.errors import DecisionDoesNotExist
from campaign.repository.query import execute, fetch_all, fetch_one

DEFERRED_CHANNEL = "stave_deferred"


async def add_decisions(session: AsyncSession, decisions: Sequence[Mapping[str, Any]]) -> None:
    """Append decisions; deferred ones wake who decides them again, to learn of their time."""
    await execute(
        session,
        "INSERT INTO decisions SELECT * FROM jsonb_populate_recordset(NULL::decisions, CAST(:rows AS jsonb))",
        rows=json.dumps(list(decisions), default=str),
    )
    if any(decision["outcome"] == "deferred" for decision in decisions):
        await execute(session, "SELECT pg_notify(:channel, '')", channel=DEFERRED_CHANNEL)


async def get_decision(session: AsyncSession, decision_id: UUID) -> dict[str, Any]:
    """One decision. Raises DecisionDoesNotExist."""
    found = await fetch_one(session, "SELECT * FROM decisions WHERE id = :id", id=decision_id)
    if found is None:
        raise DecisionDoesNotExist(f"There is no decision {decision_id}.")
    return dict(found)


async def list_decisions(
    session: AsyncSession, *, customer_ids: Sequence[UUID] | None, campaign_id: UUID | None, outcome: str | None,
    page: tuple[UUID | None, int],
) -> list[dict[str, Any]]:  # fmt: skip
    """A page of decisions, newest first; `page` is (last id seen, size)."""
    before, limit = page
    asked = {
        "customer_id = ANY(:customer_ids)": ("customer_ids", customer_ids and list(customer_ids)),
        "playbook_id = :campaign_id": ("campaign_id", campaign_id),
        "outcome = :outcome": ("outcome", outcome),
        "id < :before": ("before", before),
    }
    conditions = [condition for condition, (_, value) in asked.items() if value is not None]
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    values = {name: value for name, value in asked.values() if value is not None}
    rows = await fetch_all(
        session, f"SELECT * FROM decisions {where}ORDER BY id DESC LIMIT :limit", limit=limit, **values
    )
    return [dict(row) for row in rows]


async def list_decisions_of_alert(session: AsyncSession, alert_id: UUID) -> list[dict[str, Any]]:
    """All decisions about one alert, oldest first, in short."""
    rows = await fetch_all(
        session, "SELECT id, outcome, decided_at, due_at FROM decisions WHERE alert_id = :id ORDER BY id", id=alert_id
    )
    return [dict(row) for row in rows]


async def acted_at(
    session: AsyncSession, customer_ids: Sequence[UUID], *, since: datetime
) -> defaultdict[UUID, list[datetime]]:
    """When we acted on each customer, under any of the ids that live on as this one."""
    rows = await fetch_all(
        session,
        "WITH family AS (SELECT id AS survivor, id FROM unnest(CAST(:ids AS uuid[])) AS own (id) UNION ALL "
        "SELECT lives_on_as, customer_id FROM aliases WHERE lives_on_as = ANY(:ids)) "
        "SELECT survivor, decided_at FROM decisions JOIN family ON family.id = decisions.customer_id "
        "WHERE outcome = 'act' AND decided_at > :since",
        ids=list(customer_ids), since=since,
    )  # fmt: skip
    found: defaultdict[UUID, list[datetime]] = defaultdict(list)
    for row in rows:
        found[row["survivor"]].append(row["decided_at"])
    return found


async def list_waiting(session: AsyncSession, alert_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The deferred decision that each alert waits on, if any."""
    rows = await fetch_all(
        session,
        "SELECT alert_id, id FROM decisions WHERE alert_id = ANY(:ids) AND outcome = 'deferred' "
        "AND resolved_by IS NULL",
        ids=list(alert_ids),
    )
    return {row["alert_id"]: row["id"] for row in rows}


async def list_due(session: AsyncSession, *, now: datetime, limit: int) -> list[dict[str, Any]]:
    """Deferred decisions whose time has come: decision, alert and customer."""
    rows = await fetch_all(
        session,
        "SELECT id, alert_id, customer_id FROM decisions WHERE outcome = 'deferred' AND resolved_by IS NULL "
        "AND due_at <= :now ORDER BY due_at LIMIT :limit",
        now=now, limit=limit,
    )  # fmt: skip
    return [dict(row) for row in rows]


async def next_due(session: AsyncSession, *, after: datetime) -> datetime | None:
    """When the next deferred decision is due that was not due at `after`."""
    found = await fetch_one(
        session,
        "SELECT min(due_at) AS at FROM decisions WHERE outcome = 'deferred' AND resolved_by IS NULL "
        "AND due_at > :after",
        after=after,
    )
    return found["at"] if found else None


async def business_time(session: AsyncSession) -> datetime | None:
    """What the virtual clock was last set to."""
    found = await fetch_one(session, "SELECT business_now FROM clock")
    return found["business_now"] if found else None


async def count_due(session: AsyncSession, *, now: datetime) -> int:
    """How many deferred decisions could be taken again now."""
    found = await fetch_one(
        session,
        "SELECT count(*) FROM decisions WHERE outcome = 'deferred' AND resolved_by IS NULL AND due_at <= :now",
        now=now,
    )
    return int(found["count"]) if found else 0


async def resolve_waiting(session: AsyncSession, resolved: Mapping[UUID, UUID]) -> None:
    """Say which later decision took the place of each deferred one."""
    if not resolved:
        return
    await execute(
        session,
        "UPDATE decisions SET resolved_by = new.by FROM unnest(CAST(:ids AS uuid[]), CAST(:by AS uuid[])) "
        "AS new (id, by) WHERE decisions.id = new.id",
        ids=list(resolved), by=list(resolved.values()),
    )  # fmt: skip


async def set_events(session: AsyncSession, events: Mapping[UUID, UUID]) -> None:
    """Note the event that told of each act."""
    if not events:
        return
    await execute(
        session,
        "UPDATE decisions SET event_id = new.event_id FROM unnest(CAST(:ids AS uuid[]), CAST(:events AS uuid[])) "
        "AS new (id, event_id) WHERE decisions.id = new.id",
        ids=list(events), events=list(events.values()),
    )  # fmt: skip
