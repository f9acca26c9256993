"""Playbooks and what they have spent."""

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.errors import PlaybookDoesNotExist
from campaign.repository.query import Row, execute, fetch_all, fetch_one

_COLUMNS = "id, name, priority, active, rule, version, created_at, updated_at"


async def add_playbook(session: AsyncSession, playbook: dict[str, Any]) -> Row:
    """Add a playbook."""
    added = await fetch_one(
        session,
        "INSERT INTO playbooks (id, name, priority, active, rule, created_at, updated_at) VALUES "
        f"(:id, :name, :priority, :active, CAST(:rule AS jsonb), :at, :at) RETURNING {_COLUMNS}",
        **playbook | {"rule": json.dumps(playbook["rule"])},
    )
    assert added is not None
    return added


async def get_playbook(session: AsyncSession, playbook_id: UUID, *, lock: bool = False) -> Row:
    """One playbook. Raises PlaybookDoesNotExist."""
    suffix = " FOR UPDATE" if lock else ""
    found = await fetch_one(session, f"SELECT {_COLUMNS} FROM playbooks WHERE id = :id{suffix}", id=playbook_id)
    if found is None:
        raise PlaybookDoesNotExist(f"There is no playbook {playbook_id}.")
    return found


async def save_playbook(session: AsyncSession, playbook: dict[str, Any]) -> Row:
    """Write a playbook that the caller has locked, as its next version."""
    saved = await fetch_one(
        session,
        "UPDATE playbooks SET name = :name, priority = :priority, active = :active, rule = CAST(:rule AS jsonb), "
        f"version = version + 1, updated_at = :at WHERE id = :id RETURNING {_COLUMNS}",
        **playbook | {"rule": json.dumps(playbook["rule"])},
    )
    assert saved is not None
    return saved


async def delete_playbook(session: AsyncSession, playbook_id: UUID) -> bool:
    """Delete a playbook; its decisions stay."""
    return await execute(session, "DELETE FROM playbooks WHERE id = :id", id=playbook_id) > 0


async def list_playbooks(session: AsyncSession, *, after: UUID | None, limit: int) -> Sequence[Row]:
    """A page of playbooks, oldest first."""
    return await fetch_all(
        session,
        f"SELECT {_COLUMNS} FROM playbooks WHERE CAST(:after AS uuid) IS NULL OR id > :after ORDER BY id LIMIT :limit",
        after=after, limit=limit,
    )  # fmt: skip


async def list_active_playbooks(session: AsyncSession) -> Sequence[Row]:
    """All playbooks that may act."""
    return await fetch_all(session, f"SELECT {_COLUMNS} FROM playbooks WHERE active ORDER BY priority DESC, id")


async def spent_by(session: AsyncSession, playbook_id: UUID, *, period: str, start: date) -> Decimal:
    """What a playbook has spent in a period."""
    found = await fetch_one(
        session,
        "SELECT spent FROM budgets WHERE playbook_id = :id AND period = :period AND period_start = :start",
        id=playbook_id, period=period, start=start,
    )  # fmt: skip
    return Decimal(0) if found is None else Decimal(found["spent"])


async def reserve_budget(
    session: AsyncSession, playbook_id: UUID, *, period: tuple[str, date], cost: Decimal, budget: Decimal
) -> Decimal | None:
    """Spend `cost` if it still fits: one statement, so that no two can take the same money. None where it does not."""
    kind, start = period
    await execute(
        session,
        "INSERT INTO budgets (playbook_id, period, period_start) VALUES (:id, :period, :start) ON CONFLICT DO NOTHING",
        id=playbook_id, period=kind, start=start,
    )  # fmt: skip
    found = await fetch_one(
        session,
        "UPDATE budgets SET spent = spent + :cost WHERE playbook_id = :id AND period = :period "
        "AND period_start = :start AND spent + :cost <= :budget RETURNING spent",
        id=playbook_id, period=kind, start=start, cost=cost, budget=budget,
    )  # fmt: skip
    return None if found is None else Decimal(found["spent"])
