"""Alerts of every state."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from scoring.models import AlertRow
from scoring.repository.rows import reasons_text, selected, to_columns, values_of

_COLUMNS = tuple(field.name for field in fields(AlertRow))
_OPEN = "state IN ('open', 'acted', 'snoozed')"
_SELECTED = selected(_COLUMNS, as_text=("reasons", "assumptions", "notes"))
_SELECT = f"SELECT {_SELECTED} FROM alerts"
_TYPES = {
    "id": "uuid", "customer_id": "uuid", "state": "text", "version": "int", "probability": "float8", "band": "text",
    "horizon_days": "int", "model": "text", "scored_at": "timestamptz", "reasons": "jsonb",
    "expected_margin": "numeric", "expected_profit": "numeric", "told_probability": "float8", "told_profit": "float8",
    "tier": "text", "stage": "text", "assumptions": "jsonb", "recommended": "text",
    "from_history": "bool", "raised_at": "timestamptz", "assignee": "text", "notes": "jsonb",
    "snoozed_until": "timestamptz", "cleared_at": "timestamptz", "clear_cause": "text", "created_at": "timestamptz",
    "updated_at": "timestamptz",
}  # fmt: skip
_SAVE = (
    f"INSERT INTO alerts ({', '.join(_COLUMNS)}) SELECT * FROM "
    f"unnest({', '.join(f'${n}::{_TYPES[name]}[]' for n, name in enumerate(_COLUMNS, 1))}) "
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("id", "customer_id", "created_at"))
)


async def list_latest(connection: asyncpg.Connection, customers: Iterable[UUID]) -> dict[UUID, AlertRow]:
    """The latest alert of each customer who ever had one: the open one, if there is one."""
    rows = await connection.fetch(
        f"SELECT DISTINCT ON (customer_id) {_SELECTED} FROM alerts WHERE customer_id = ANY($1) "
        f"ORDER BY customer_id, ({_OPEN}) DESC, raised_at DESC",
        list(customers),
    )
    return {row["customer_id"]: _alert(row) for row in rows}


async def save(connection: asyncpg.Connection, alerts: Sequence[AlertRow], *, at: datetime) -> None:
    """Store alerts as they now are; the caller holds the customers' locks."""
    if alerts:
        await connection.execute(_SAVE, *to_columns([_row(alert, at) for alert in alerts]))


async def find(connection: asyncpg.Connection, alert_id: UUID) -> AlertRow | None:
    """One alert."""
    row = await connection.fetchrow(f"{_SELECT} WHERE id = $1", alert_id)
    return None if row is None else _alert(row)


async def list_page(
    connection: asyncpg.Connection, *, order: str, after: tuple[Any, UUID] | None, limit: int, filters: dict[str, Any]
) -> list[AlertRow]:
    """Alerts in a state and of a customer, where given, by falling profit or time, from behind a (value, id)."""
    column = {"-expected_profit": "expected_profit", "-raised_at": "raised_at"}[order]
    parameters: list[Any] = [limit]
    conditions = ["true"]
    for name, value in filters.items():
        if value is not None:
            parameters.append(value)
            conditions.append(f"{name} = ${len(parameters)}")
    if after is not None:
        parameters.extend(after)
        conditions.append(f"({column}, id) < (${len(parameters) - 1}, ${len(parameters)})")
    rows = await connection.fetch(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY {column} DESC, id DESC LIMIT $1", *parameters
    )
    return [_alert(row) for row in rows]


async def mark_acted(connection: asyncpg.Connection, alert_ids: Sequence[UUID], *, at: datetime) -> None:
    """An action went out for these alerts."""
    if alert_ids:
        await connection.execute(
            "UPDATE alerts SET state = 'acted', version = version + 1, updated_at = $2 "
            "WHERE id = ANY($1) AND state = 'open'",
            list(alert_ids), at,
        )  # fmt: skip


async def count_from_history(connection: asyncpg.Connection, *, since: datetime) -> int:
    """How many alerts were opened from history since a business time."""
    count: int = await connection.fetchval("SELECT count(*) FROM alerts WHERE from_history AND raised_at >= $1", since)
    return count


async def delete_of(connection: asyncpg.Connection, customers: Sequence[UUID]) -> None:
    """Forget every alert of customers, with its notes."""
    await connection.execute("DELETE FROM alerts WHERE customer_id = ANY($1)", list(customers))


def _alert(row: asyncpg.Record) -> AlertRow:
    return AlertRow(**values_of(row, parsed=("assumptions", "notes")))


def _row(alert: AlertRow, at: datetime) -> list[Any]:
    stored = {name: getattr(alert, name) for name in _COLUMNS} | {
        "reasons": reasons_text(alert.reasons),
        "assumptions": json.dumps(alert.assumptions),
        "notes": json.dumps(alert.notes),
        "created_at": alert.created_at or at,
        "updated_at": at,
    }
    return [stored[name] for name in _COLUMNS]
