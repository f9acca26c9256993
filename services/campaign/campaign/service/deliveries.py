"""Trying deliveries again by hand."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.errors import EndpointIsDisabled
from campaign.parts import CampaignParts
from campaign.repository import deliveries as delivery_rows
from campaign.repository.query import Row


async def resend(session: AsyncSession, delivery: Row, parts: CampaignParts) -> None:
    """Send a delivery again, with a whole new schedule and the same message id. Raises EndpointIsDisabled."""
    if delivery["endpoint_state"] != "enabled":
        raise EndpointIsDisabled("Enable the endpoint first.")
    await delivery_rows.mark_pending(session, [delivery["id"]], at=parts.clock.system_now())


async def recover(session: AsyncSession, endpoint: Row, parts: CampaignParts, *, since: datetime) -> int:
    """Send again what was given up for an endpoint since a time; returns how many. Raises EndpointIsDisabled."""
    if endpoint["state"] != "enabled":
        raise EndpointIsDisabled("Enable the endpoint first.")
    failed: list[UUID] = await delivery_rows.list_failed_since(session, endpoint["id"], since=since)
    await delivery_rows.mark_pending(session, failed, at=parts.clock.system_now())
    return len(failed)
