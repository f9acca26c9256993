"""The few forms a query takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Row = Mapping[str, Any]


async def fetch_all(session: AsyncSession, sql: str, **values: Any) -> Sequence[Row]:
    """All rows, by column name."""
    return [dict(row) for row in (await session.execute(text(sql), values)).mappings()]


async def fetch_one(session: AsyncSession, sql: str, **values: Any) -> Row | None:
    """The only row, or None."""
    row = (await session.execute(text(sql), values)).mappings().one_or_none()
    return None if row is None else dict(row)


async def execute(session: AsyncSession, sql: str, **values: Any) -> int:
    """How many rows were touched."""
    result = await session.execute(text(sql), values)
    return int(getattr(result, "rowcount", 0))
