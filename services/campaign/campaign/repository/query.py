"""The few forms a query takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

Row = Mapping[str, Any]


async def fetch_all(session: AsyncSession, sql: str, **values: Any) -> Sequence[RowMapping]:
    """All rows, by column name."""
    return (await session.execute(text(sql), values)).mappings().all()


async def fetch_one(session: AsyncSession, sql: str, **values: Any) -> RowMapping | None:
    """The only row, or None."""
    return (await session.execute(text(sql), values)).mappings().one_or_none()


async def execute(session: AsyncSession, sql: str, **values: Any) -> int:
    """How many rows were touched."""
    result = await session.execute(text(sql), values)
    return int(getattr(result, "rowcount", 0))
