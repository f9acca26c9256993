"""The newest score of each customer."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from uuid import UUID

import asyncpg

from scoring.models import ScoreRow
from scoring.repository.rows import reasons_text, selected, to_columns, values_of

_COLUMNS = tuple(field.name for field in fields(ScoreRow))
_TYPES = {
    "customer_id": "uuid", "version": "int", "probability": "float8", "band": "text", "base": "float8",
    "reasons": "jsonb", "model": "text", "prior": "bool", "contractual": "bool", "horizon_days": "int",
    "expected_margin": "numeric", "value_horizon_days": "int", "value_model": "text", "value_prior": "bool",
    "margin_assumed": "bool", "tier": "text", "stage": "text",
    "scored_at": "timestamptz",
    "told_probability": "float8", "waiting_profit": "float8",
}  # fmt: skip
_SELECT = f"SELECT {selected(_COLUMNS, as_text=('reasons',))} FROM scores"
_ARRAYS = ", ".join(f"${n}::{_TYPES[name]}[]" for n, name in enumerate(_COLUMNS, 1))
_AT = len(_COLUMNS) + 1
_SAVE = (
    f"INSERT INTO scores ({', '.join(_COLUMNS)}, created_at, updated_at) "
    f"SELECT *, ${_AT}::timestamptz, ${_AT}::timestamptz FROM unnest({_ARRAYS}) "
    "ON CONFLICT (customer_id) DO UPDATE SET updated_at = excluded.updated_at, "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "customer_id")
)


async def find_all(connection: asyncpg.Connection, customers: Iterable[UUID]) -> dict[UUID, ScoreRow]:
    """The scores of those customers who have one."""
    rows = await connection.fetch(f"{_SELECT} WHERE customer_id = ANY($1)", list(customers))
    return {row["customer_id"]: ScoreRow(**values_of(row)) for row in rows}


async def save(connection: asyncpg.Connection, scores: Sequence[ScoreRow], *, at: datetime) -> None:
    """Store scores, each over the one before; the caller holds the customers' locks."""
    if not scores:
        return
    await connection.execute(_SAVE, *to_columns([_row(score) for score in scores]), at)


def _row(score: ScoreRow) -> list[object]:
    return [reasons_text(score.reasons) if name == "reasons" else getattr(score, name) for name in _COLUMNS]


async def list_page(connection: asyncpg.Connection, *, after: UUID | None, limit: int) -> list[ScoreRow]:
    """Scores in the order of customer ids."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE $1::uuid IS NULL OR customer_id > $1 ORDER BY customer_id LIMIT $2", after, limit
    )
    return [ScoreRow(**values_of(row)) for row in rows]


async def list_waiting(connection: asyncpg.Connection, *, limit: int) -> list[UUID]:
    """Whose alert waits for its turn, the most profitable first; a prior knows too little to open any from history."""
    rows = await connection.fetch(
        "SELECT customer_id FROM scores WHERE waiting_profit IS NOT NULL AND NOT prior "
        "ORDER BY waiting_profit DESC, customer_id LIMIT $1",
        limit,
    )
    return [row["customer_id"] for row in rows]


async def count_waiting(connection: asyncpg.Connection) -> int:
    """How many alerts wait for their turn."""
    count: int = await connection.fetchval("SELECT count(*) FROM scores WHERE waiting_profit IS NOT NULL AND NOT prior")
    return count


async def delete(connection: asyncpg.Connection, customers: Sequence[UUID]) -> None:
    """Forget what was believed of customers."""
    await connection.execute("DELETE FROM scores WHERE customer_id = ANY($1)", list(customers))
