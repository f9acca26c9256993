"""Deferred actions that will never be done: the ledger says so, with the reason."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.parts import CampaignParts, new_id
from campaign.repository import decisions as decision_rows


async def expire_waiting(session: AsyncSession, causes: Mapping[UUID, str], parts: CampaignParts) -> None:
    """Answer each deferred decision of these alerts (already locked) with an expired one that names the cause."""
    waiting = await decision_rows.list_waiting(session, list(causes))
    expired = []
    for alert_id, decision_id in waiting.items():
        deferred = await decision_rows.get_decision(session, decision_id)
        gate = {"gate": "alert_open", "passed": False, "inputs": {"cause": causes[alert_id]}}
        expired.append(
            deferred
            | {
                "id": new_id(), "outcome": "expired", "action": None, "gates": [gate], "due_at": None,
                "decided_at": parts.clock.business_now(), "created_at": parts.clock.system_now(),
            }
        )  # fmt: skip
    await decision_rows.add_decisions(session, expired)
    await decision_rows.resolve_waiting(session, {waiting[row["alert_id"]]: row["id"] for row in expired})
