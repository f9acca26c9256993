"""What an attempt means: done, again later, given up, or an endpoint that wants no more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.domain.retries import Attempt, judge, next_attempt_at
from campaign.parts import CampaignParts
from campaign.repository import deliveries as delivery_rows
from campaign.repository import webhook_endpoints as endpoint_rows
from campaign.repository.query import Row
from campaign.service.outcomes import tell
from campaign.service.webhook_endpoints import disable


async def record_attempts(
    session: AsyncSession, tried: Sequence[tuple[Row, Attempt]], parts: CampaignParts
) -> list[datetime]:
    """Append attempts to the log, move their deliveries on, and tell of those that are finished.

    Returns when those that are to be tried again are due.
    """
    outcomes = [_outcome(delivery, attempt, parts) for delivery, attempt in tried]
    moved = await delivery_rows.record_attempts(session, outcomes)
    errors = {delivery["id"]: attempt.error for delivery, attempt in tried}
    await tell(session, moved, parts, errors=errors)
    await _note_endpoints(session, tried, parts)
    return [outcome["next_attempt_at"] for outcome in outcomes if outcome["next_attempt_at"] is not None]


def _outcome(delivery: Row, attempt: Attempt, parts: CampaignParts) -> dict[str, Any]:
    verdict = judge(attempt)
    again_at = None
    if verdict == "retry":
        again_at = next_attempt_at(
            parts.settings.webhook_schedule, attempt, attempt_count=delivery["round_count"] + 1, source=parts.jitter
        )
    state = "succeeded" if verdict == "succeeded" else "pending" if again_at else "failed"
    return {
        "id": delivery["id"], "state": state, "next_attempt_at": again_at, "at": attempt.at, "status": attempt.status,
        "duration_ms": attempt.duration_ms, "error": attempt.error, "response": attempt.response,
    }  # fmt: skip


async def _note_endpoints(session: AsyncSession, tried: Sequence[tuple[Row, Attempt]], parts: CampaignParts) -> None:
    """A success ends a run of failures; one that has lasted too long, or a 410, disables the endpoint."""
    verdicts: dict[UUID, set[str]] = {}
    for delivery, attempt in sorted(tried, key=lambda one: str(one[0]["endpoint_id"])):
        if delivery["endpoint_id"] is not None:
            verdicts.setdefault(delivery["endpoint_id"], set()).add(judge(attempt))
    now = parts.clock.system_now()
    working = [endpoint_id for endpoint_id, found in verdicts.items() if "succeeded" in found]
    failing = [endpoint_id for endpoint_id in verdicts if endpoint_id not in working]
    if working:
        await endpoint_rows.mark_working(session, working)
    since = await endpoint_rows.mark_failing(session, failing, at=now) if failing else {}
    for endpoint_id, found in verdicts.items():
        if "gone" in found:
            await disable(session, endpoint_id, parts, cause="gone")
        elif endpoint_id in since and now - since[endpoint_id] >= parts.settings.webhook_disable_after:
            await disable(session, endpoint_id, parts, cause="failing")
