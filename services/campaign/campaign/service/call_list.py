"""Calls that agents make: a completed one is a delivery with an outcome, like any other."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.errors import CallTaskIsDone
from campaign.parts import CampaignParts
from campaign.repository import call_tasks as call_task_rows
from campaign.repository import deliveries as delivery_rows
from campaign.repository.query import Row
from campaign.service.outcomes import tell

# The customer was spoken to, whatever came of it.
REACHED = frozenset({"accepted", "declined", "reached", "opted_out"})


async def complete_call(
    session: AsyncSession, task_id: UUID, completion: dict[str, Any], parts: CampaignParts, *, by: str
) -> Row:
    """Close a call. Raises CallTaskDoesNotExist, CallTaskIsDone."""
    task = await call_task_rows.get_call_task(session, task_id, lock=True)
    if task["state"] == "done":
        raise CallTaskIsDone(f"The call was completed with the outcome {task['outcome']}.")
    at, outcome = parts.clock.system_now(), completion["outcome"]
    state = "succeeded" if outcome in REACHED else "failed"
    delivery = await delivery_rows.mark_finished(session, task_id, state=state, at=at)
    if delivery is not None:
        await tell(session, [delivery], parts, errors={task_id: outcome})
    return await call_task_rows.save_completion(session, completion | {"id": task_id, "by": by, "at": at})
