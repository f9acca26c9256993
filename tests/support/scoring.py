"""What the tests of the scoring service share: events on the log, and what came of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import text

from chassis.database import raw_connection
from chassis.event_log import EventLog, Record
from chassis.service import Service
from contracts.envelope import Envelope
from contracts.event import Event, Money
from contracts.interaction import Facts, HistoryRecorded, HistoryRow, InteractionRecorded

NAMESPACE = UUID("aaaaaaaa-0000-5000-8000-000000000000")


def customer(number: int) -> UUID:
    return uuid5(NAMESPACE, str(number))


def recorded(
    who: UUID, at: datetime, kind: str = "purchase", amount: float = 40.0, **changes: Any
) -> InteractionRecorded:
    source_id = str(uuid4())
    money = (
        None
        if kind not in ("purchase", "return", "subscription")
        else Money(amount=Decimal(str(amount)), currency="EUR")
    )
    margin = None if money is None else money.amount / 4 * (-1 if kind == "return" else 1)
    return InteractionRecorded(
        customer_id=who, id=uuid4(), source="shop", source_id=source_id, channel="web", direction="inbound", kind=kind,
        occurred_at=at, amount=money, margin=margin, **({"known_at": at} | changes),
    )  # fmt: skip


def history_row(who: UUID, at: datetime, kind: str = "purchase", amount: float = 40.0, **facts: Any) -> HistoryRow:
    exact = Decimal(str(amount))
    return HistoryRow(
        id=uuid4(), customer_id=who, channel="web", kind=kind, occurred_at=at, amount=exact, margin=exact / 4,
        facts=Facts(**facts) if facts else None,
    )  # fmt: skip


def history(rows: list[HistoryRow], shard: int = 0) -> list[HistoryRecorded]:
    chunks = [rows[start : start + 500] for start in range(0, len(rows), 500)]
    return [HistoryRecorded(shard=shard, currency="EUR", rows=chunk) for chunk in chunks]


def regular(who: UUID, *, until: datetime, gap_days: int = 14, count: int = 12) -> list[HistoryRow]:
    return [history_row(who, until - timedelta(days=gap_days * n)) for n in range(count)]


async def tell(event_log: EventLog, *events: Event) -> None:
    await event_log.append([record_of(event) for event in events])


def record_of(event: Event) -> Record:
    source = event.wire_name.split(".", 1)[0]
    at = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
    envelope = Envelope.wrap(event, event_id=uuid4(), source=source, time=at)
    return Record(event.topic, event.subject, envelope.model_dump_json().encode())


async def apply(service: Service, *events: Event) -> None:
    """Handle events at once, as the consumer does, without waiting for it."""
    assert service.consumer is not None
    for start in range(0, len(events), 500):
        async with service.database.write() as session:
            received = [_received(event) for event in events[start : start + 500]]
            await service.consumer.dispatch(session, received)


def _received(event: Event) -> Any:
    from chassis.consumer import Received
    from chassis.event_log import StoredRecord

    envelope = Envelope.wrap(
        event, event_id=uuid4(), source="test", time=datetime.fromisoformat("2024-01-01T00:00:00+00:00")
    )
    return Received(event, envelope, StoredRecord.__new__(StoredRecord))


async def catch_up(service: Service) -> None:
    """Score whoever is due and open what may be opened, as the scheduler does, with nothing left to settle."""
    from scoring.scheduler import open_waiting, score_due

    async with service.database.write() as session:
        await session.execute(text("UPDATE customers SET settled_at = NULL"))
    while await score_due(service.parts):
        pass
    await open_waiting(service.parts)


async def told(service: Service, *wire_names: str) -> list[Envelope]:
    async with service.database.read() as session:
        rows = await session.execute(text("SELECT payload FROM outbox ORDER BY seq"))
        envelopes = [Envelope.model_validate_json(row.payload) for row in rows]
    return [one for one in envelopes if not wire_names or one.type in wire_names]


async def rows_of(service: Service, query: str, *arguments: Any) -> list[dict[str, Any]]:
    async with service.database.read() as session:
        return [dict(row) for row in await (await raw_connection(session)).fetch(query, *arguments)]


def flat(rows: Iterable[Iterable[HistoryRow]]) -> list[HistoryRow]:
    return [row for group in rows for row in group]
