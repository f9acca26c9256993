"""What became of an action, told once per outcome."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.parts import CampaignParts
from campaign.repository import deliveries as delivery_rows
from campaign.repository.query import Row
from chassis.outbox import publish
from chassis.trace import trace_from, use_trace
from contracts.campaign import DeliveryFailed, DeliverySucceeded

_GIVEN_UP = "given up"


async def tell(
    session: AsyncSession, deliveries: Sequence[Row], parts: CampaignParts, *, errors: Mapping[UUID, str | None]
) -> None:
    """Publish what became of deliveries that carry out a decision, each outcome once."""
    told = {}
    for delivery in deliveries:
        if delivery["decision_id"] is None or delivery["customer_id"] is None:
            continue
        if delivery["state"] == "pending" or delivery["told"] in ("succeeded", delivery["state"]):
            continue
        with use_trace(trace_from(delivery["traceparent"], delivery["correlation_id"], delivery["event_id"])):
            publish(session, _event(delivery, errors.get(delivery["id"]), parts))
        told[delivery["id"]] = delivery["state"]
    if told:
        await delivery_rows.mark_told(session, told)


def _event(delivery: Row, error: str | None, parts: CampaignParts) -> DeliverySucceeded | DeliveryFailed:
    named = {name: delivery[name] for name in ("customer_id", "decision_id", "alert_id", "channel", "attempt_count")}
    at = parts.clock.business_now()
    if delivery["state"] == "succeeded":
        return DeliverySucceeded(delivery_id=delivery["id"], offer=delivery["offer"], delivered_at=at, **named)
    return DeliveryFailed(delivery_id=delivery["id"], error=error or _GIVEN_UP, failed_at=at, **named)
