"""What several tests of the customer service do."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import msgspec
from sqlalchemy import text

from chassis.consumer import Received, read_event
from chassis.event_log import StoredRecord
from chassis.service import Service
from contracts.envelope import Envelope
from contracts.event import Event


async def register(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Create or match a customer."""
    answer = await client.post("/v1/customers", json=body)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def published(service: Service) -> list[dict[str, Any]]:
    """What waits in the outbox, in order; tombstones are left out."""
    async with service.database.read() as session:
        rows = await session.scalars(text("SELECT payload FROM outbox WHERE payload IS NOT NULL ORDER BY seq"))
        return [msgspec.json.decode(row) for row in rows]


async def published_types(service: Service) -> list[str]:
    """The types of what waits in the outbox, in order."""
    return [event["type"].removesuffix(".v1") for event in await published(service)]


def arrived(event: Event, *, at: datetime | None = None) -> StoredRecord:
    """The record of an event in the event log."""
    envelope = Envelope.wrap(event, event_id=uuid4(), source="test", time=at or datetime.now(UTC))
    return StoredRecord(event.topic, 0, 0, event.subject, envelope.model_dump_json().encode())


async def deliver(service: Service, *events: Event | StoredRecord) -> None:
    """Have the service's consumer apply events as one batch; none may end as a dead letter."""
    assert service.consumer is not None
    records = [arrived(event) if isinstance(event, Event) else event for event in events]
    await service.consumer.handle(records)
    async with service.database.read() as session:
        assert list(await session.scalars(text("SELECT error FROM dead_letters"))) == []


def readable(service: Service, record: StoredRecord) -> Received[Any]:
    """A record as the service's handlers get it."""
    assert service.consumer is not None
    received = read_event(record, service.consumer.subscriptions)
    assert received is not None
    return received


async def overview(client: httpx.AsyncClient, customer_id: Any) -> dict[str, Any]:
    """The 360 of a customer."""
    answer = await client.get(f"/v1/customers/{customer_id}/360")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def of_type(events: Sequence[dict[str, Any]], wire_name: str) -> list[dict[str, Any]]:
    """The events of one type."""
    return [event for event in events if event["type"] == wire_name]
