"""Fan-out: one delivery per event and endpoint that asked for it, in the transaction that learns of the event."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.domain.fan_out import Message, receivers
from campaign.parts import CampaignParts, new_id
from campaign.repository import deliveries as delivery_rows
from campaign.repository import webhook_endpoints as endpoint_rows
from chassis.consumer import Received
from chassis.trace import TraceContext, trace_from
from contracts.catalogue import EVENTS
from contracts.event import Event
from contracts.interaction import InteractionRecorded

OFFERED: tuple[type[Event], ...] = tuple(event for event in EVENTS if event.offered)


async def fan_out(
    session: AsyncSession, received: Sequence[Received[Any]], parts: CampaignParts, *, held_out: Collection[UUID] = ()
) -> None:
    """Have received events delivered to partners: only news, and alerts in `held_out` only to who asked for those."""
    news = [one for one in received if _is_news(one, parts)]
    endpoints = await endpoint_rows.list_enabled_endpoints(session) if news else []
    if not endpoints:
        return
    at = parts.clock.system_now()
    rows: list[dict[str, Any]] = []
    bodies: dict[UUID, bytes] = {}
    for one in news:
        envelope = one.envelope
        trace = trace_from(envelope.traceparent, envelope.correlationid, envelope.id)
        mine = webhook_rows(_message(one, held_out), endpoints, trace=trace, at=at)
        if mine:
            rows += mine
            bodies[envelope.id] = one.record.value or b""
    await delivery_rows.add_deliveries(session, rows, bodies, at=at)


def _is_news(one: Received[Any], parts: CampaignParts) -> bool:
    if one.envelope.backfill:
        return False
    # Other events happen when they are published; an interaction may be told long after it took place.
    if isinstance(one.event, InteractionRecorded):
        age = parts.clock.business_now() - one.event.occurred_at
        return not one.event.backfill and age <= parts.settings.news_window
    return True


def _message(one: Received[Any], held_out: Collection[UUID]) -> Message:
    return Message(
        event_id=one.envelope.id,
        event_type=one.envelope.type,
        body=one.record.value or b"",
        customer_id=getattr(one.event, "customer_id", None),
        hold_out=getattr(one.event, "alert_id", None) in held_out,
    )


def webhook_rows(
    message: Message, endpoints: Iterable[Mapping[str, Any]], *, trace: TraceContext, at: datetime
) -> list[dict[str, Any]]:
    """A delivery per endpoint that the message goes to."""
    return [
        delivery_row(message, endpoint_id=endpoint_id, trace=trace, at=at)
        for endpoint_id in receivers(message, endpoints)
    ]


def delivery_row(
    message: Message, *, trace: TraceContext, at: datetime, endpoint_id: UUID | None = None, channel: str = "webhook"
) -> dict[str, Any]:
    """A new delivery, due at once; a lane is an endpoint, or a channel that has none."""
    return {
        "id": new_id(), "lane": str(endpoint_id or channel), "channel": channel, "endpoint_id": endpoint_id,
        "event_id": message.event_id, "event_type": message.event_type, "customer_id": message.customer_id,
        "decision_id": message.decision_id, "alert_id": message.alert_id, "offer": message.offer,
        "state": "pending", "told": None, "attempt_count": 0, "round_count": 0, "next_attempt_at": at,
        "leased_until": None, "correlation_id": trace.correlation_id, "traceparent": trace.traceparent,
        "created_at": at, "updated_at": at,
    }  # fmt: skip
