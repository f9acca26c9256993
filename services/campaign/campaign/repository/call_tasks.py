"""The list of customers to call."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.errors import CallTaskDoesNotExist
from campaign.repository.query import Row, execute, fetch_all, fetch_one


async def add_call_task(session: AsyncSession, task: Mapping[str, Any]) -> None:
    """Add a call; its id is its delivery's."""
    await execute(
        session,
        "INSERT INTO call_tasks (id, decision_id, customer_id, expected_profit, currency, created_at) "
        "VALUES (:id, :decision_id, :customer_id, :expected_profit, :currency, :created_at)",
        **task,
    )


async def get_call_task(session: AsyncSession, task_id: UUID, *, lock: bool = False) -> Row:
    """One call. Raises CallTaskDoesNotExist."""
    suffix = " FOR UPDATE" if lock else ""
    found = await fetch_one(session, f"SELECT * FROM call_tasks WHERE id = :id{suffix}", id=task_id)
    if found is None:
        raise CallTaskDoesNotExist(f"There is no call {task_id}.")
    return found


async def list_open_call_tasks(
    session: AsyncSession, *, after: tuple[Decimal, UUID] | None, limit: int
) -> Sequence[Row]:
    """A page of open calls, the most profitable first, with the decision behind each."""
    profit, task_id = after or (None, None)
    return await fetch_all(
        session,
        "SELECT task.*, decisions.action, decisions.alert, decisions.playbook, decisions.decided_at "
        "FROM call_tasks AS task JOIN decisions ON decisions.id = decision_id WHERE state = 'open' "
        "AND (CAST(:id AS uuid) IS NULL OR task.expected_profit < :profit "
        "OR (task.expected_profit = :profit AND task.id > :id)) "
        "ORDER BY task.expected_profit DESC, task.id LIMIT :limit",
        id=task_id, profit=profit, limit=limit,
    )  # fmt: skip


async def save_completion(session: AsyncSession, completion: Mapping[str, Any]) -> Row:
    """Close a call that the caller has locked."""
    saved = await fetch_one(
        session,
        "UPDATE call_tasks SET state = 'done', outcome = :outcome, note = :note, completed_by = :by, "
        "completed_at = :at WHERE id = :id RETURNING *",
        **completion,
    )
    assert saved is not None
    return saved


async def close_call_tasks_of(session: AsyncSession, customer_id: UUID, *, at: datetime) -> None:
    """Nobody calls the erased."""
    await execute(
        session,
        "UPDATE call_tasks SET state = 'done', outcome = 'erased', completed_at = :at "
        "WHERE customer_id = :id AND state = 'open'",
        id=customer_id, at=at,
    )  # fmt: skip
