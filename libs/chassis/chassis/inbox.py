"""The inbox: each event reaches its effect once, because claiming it and the effect are one transaction."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def claim(connection: asyncpg.Connection, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Claim events inside the running transaction; returns those that nobody has claimed before."""
    rows = await connection.fetch(
        "INSERT INTO inbox (consumer, event_id) SELECT $1, * FROM unnest($2::uuid[]) ON CONFLICT DO NOTHING "
        "RETURNING event_id",
        consumer, list(event_ids),
    )  # fmt: skip
    return {row["event_id"] for row in rows}


async def prune(session: AsyncSession, *, older_than: timedelta) -> int:
    """Forget claims from before the replay horizon: a replay past it would apply effects again."""
    result = await session.execute(
        text("DELETE FROM inbox WHERE claimed_at < clock_timestamp() - CAST(:age AS interval)"), {"age": older_than}
    )
    return int(getattr(result, "rowcount", 0))
