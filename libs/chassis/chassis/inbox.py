"""The inbox: each event reaches its effect once, because claiming it and the effect are one transaction."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg


async def claim(connection: asyncpg.Connection, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Claim events inside the running transaction; returns those that nobody has claimed before."""
    rows = await connection.fetch(
        "INSERT INTO inbox (consumer, event_id) SELECT $1, * FROM unnest($2::uuid[]) ON CONFLICT DO NOTHING "
        "RETURNING event_id",
        consumer, list(event_ids),
    )  # fmt: skip
    return {row["event_id"] for row in rows}
