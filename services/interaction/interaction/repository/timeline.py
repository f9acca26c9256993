"""Reads of the log: a customer's timeline and single interactions."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping, text

from chassis.database import AsyncReadSession

_COLUMNS = (
    "id, customer_id, source, source_id, channel, direction, kind, occurred_at, known_at, amount, currency, "
    "cost_to_serve, margin, margin_assumed, discount, lines, properties, backfill, trace_id, created_at"
)
# One index range per member of the family, each already in order: the cost does not grow with the depth of the page.
_TIMELINE = f"""
SELECT page.* FROM unnest(CAST(:family AS uuid[])) AS member (id)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM interactions
    WHERE customer_id = member.id AND (CAST(:since AS timestamptz) IS NULL OR occurred_at >= :since)
      AND (CAST(:kind AS text) IS NULL OR kind = :kind) AND (CAST(:channel AS text) IS NULL OR channel = :channel)
      AND (occurred_at, id) < (:before_at, :before_id)
    ORDER BY occurred_at DESC, id DESC LIMIT :limit
) AS page ORDER BY page.occurred_at DESC, page.id DESC LIMIT :limit
"""
_FAMILY = """
WITH head AS (SELECT coalesce((SELECT survivor_id FROM customers WHERE id = :id), CAST(:id AS uuid)) AS id)
SELECT head.id AS survivor_id, ARRAY(SELECT id FROM customers WHERE survivor_id = head.id) AS merged_ids,
       EXISTS (SELECT 1 FROM customers WHERE id = head.id AND erased_at IS NULL)
       OR EXISTS (SELECT 1 FROM customers WHERE survivor_id = head.id)
       OR EXISTS (SELECT 1 FROM identities WHERE customer_id = head.id) AS is_known
FROM head
"""


class Family(NamedTuple):
    """A customer with all profiles that were merged into it."""

    survivor_id: UUID
    merged_ids: list[UUID]
    is_known: bool


class Filter(NamedTuple):
    """What part of a timeline is asked for; None asks for all."""

    since: datetime | None = None
    kind: str | None = None
    channel: str | None = None


async def get_family(session: AsyncReadSession, customer_id: UUID) -> Family:
    """The family of any of its members."""
    row = (await session.execute(text(_FAMILY), {"id": customer_id})).one()
    return Family(row.survivor_id, list(row.merged_ids), row.is_known)


async def list_timeline(
    session: AsyncReadSession, family: Family, *, wanted: Filter, before: tuple[datetime, UUID], limit: int
) -> Sequence[RowMapping]:
    """Interactions older than `before`, newest first."""
    found = await session.execute(
        text(_TIMELINE),
        {
            "family": [family.survivor_id, *family.merged_ids], "since": wanted.since, "kind": wanted.kind,
            "channel": wanted.channel, "before_at": before[0], "before_id": before[1], "limit": limit,
        },
    )  # fmt: skip
    return found.mappings().all()


async def find_interaction(session: AsyncReadSession, interaction_id: UUID) -> RowMapping | None:
    """One interaction; `customer_id` is the survivor's."""
    found = await session.execute(
        text(
            f"SELECT {_COLUMNS}, coalesce((SELECT survivor_id FROM customers WHERE id = interactions.customer_id), "
            "customer_id) AS survivor_id FROM interactions WHERE id = :id"
        ),
        {"id": interaction_id},
    )
    return found.mappings().one_or_none()


async def has_interactions(session: AsyncReadSession, customer_id: UUID) -> bool:
    """Whether anything at all is recorded of a customer."""
    found = await session.scalar(
        text("SELECT EXISTS (SELECT 1 FROM interactions WHERE customer_id = :id)"), {"id": customer_id}
    )
    return bool(found)
