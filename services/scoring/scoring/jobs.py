"""Long work: training, and scoring everybody again."""

import asyncio
from typing import Any

from chassis.database import raw_connection
from chassis.jobs import JobFunction, JobHandle
from scoring.parts import ScoringParts
from scoring.repository import customers

_LOOK_EVERY_SECONDS = 0.1


async def refresh_scores(job: JobHandle, parts: ScoringParts) -> dict[str, Any]:
    """Mark everybody as due and watch the scheduler score them."""
    async with parts.database.write() as session:
        connection = await raw_connection(session)
        total = await customers.mark_all_due(connection, due_at=parts.clock.business_now())
    while left := await _left(parts):
        await job.progress(max(total - left, 0), total)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    await job.progress(total, total)
    return {"scored": total}


async def _left(parts: ScoringParts) -> int:
    async with parts.database.read() as session:
        return await customers.count_catching_up(await raw_connection(session))


JOBS: dict[str, JobFunction] = {"refresh_scores": refresh_scores}
