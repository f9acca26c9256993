"""Trying deliveries again by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Range:
    """Deliveries in these states, of the events from `since` until before `until` (None: up to now)."""

    since: datetime
    until: datetime | None
    states: Sequence[str]


async def recover(session: AsyncSession, endpoint: Row, wanted: Range, parts: CampaignParts) -> int:
    """Send a range of an endpoint's deliveries again, under the same ids; returns how many.

    Raises EndpointIsDisabled.
    """
    if endpoint["state"] != "enabled":
        raise EndpointIsDisabled("Enable the endpoint first.")
    found: list[UUID] = await delivery_rows.lock_range(
        session, endpoint["id"], since=wanted.since, until=wanted.until, states=wanted.states
    )
    await delivery_rows.mark_pending(session, found, at=parts.clock.system_now())
    return len(found)
