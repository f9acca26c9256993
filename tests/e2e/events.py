"""Events appended straight to the log, as a publisher of another release or make might do."""

import json
import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid5

from chassis.event_log import Record, open_event_log
from contracts.customer import ExternalId
from contracts.envelope import Envelope
from contracts.event import Money
from contracts.interaction import InteractionRecorded
from tests.support.platform import NOON, PlatformProcess

_NAMESPACE = UUID("6d1b2a52-0000-5000-8000-000000000000")
_CHUNK = 2000
_KINDS = ("purchase", "purchase", "return", "visit", "complaint")


def customer_named(name: str) -> UUID:
    """The id of a customer of these tests."""
    return uuid5(_NAMESPACE, name)


def recorded(customer: str, number: int, chance: random.Random, *, late_share: float = 0.0) -> Record:
    """The event of a new interaction; `late_share` of them happened up to 60 days before they were told."""
    kind = chance.choice(_KINDS)
    late = chance.random() < late_share
    occurred_at = NOON - timedelta(seconds=chance.randrange(60 * 86400 if late else 36 * 3600))
    amount = Money(amount=Decimal(chance.randrange(10_000)) / 100, currency="EUR")
    sold = kind in ("purchase", "return")
    event = InteractionRecorded(
        customer_id=customer_named(customer), id=uuid5(_NAMESPACE, f"{customer}/{number}"), source="elsewhere",
        source_id=f"{customer}/{number}", external_id=ExternalId(source="elsewhere", id=customer), channel="store",
        direction="inbound", kind=kind, occurred_at=occurred_at, known_at=NOON, amount=amount if sold else None,
        margin=amount.amount / 4 * (1 if kind == "purchase" else -1) if sold else None,
    )  # fmt: skip
    envelope = Envelope.wrap(
        event, event_id=uuid5(_NAMESPACE, f"event/{customer}/{number}"), source="interaction", time=NOON
    )
    return Record(event.topic, event.subject, envelope.model_dump_json().encode())


def spoiled(record: Record) -> Record:
    """The same event with data that does not fit its type, and never will."""
    envelope = json.loads(record.value or b"")
    envelope["data"]["occurred_at"] = "the day before yesterday"
    return Record(record.topic, record.key, json.dumps(envelope).encode())


def interleaved(sequences: Sequence[Sequence[Record]], chance: random.Random) -> list[Record]:
    """All records in one random order that keeps the order within each sequence."""
    turns = [number for number, sequence in enumerate(sequences) for _ in sequence]
    chance.shuffle(turns)
    sources = [iter(sequence) for sequence in sequences]
    return [next(sources[number]) for number in turns]


async def append(platform: PlatformProcess, records: Sequence[Record]) -> None:
    """Append to the platform's event log."""
    log = open_event_log(platform.database_url("stave_event_log"))
    try:
        for start in range(0, len(records), _CHUNK):
            await log.append(records[start : start + _CHUNK])
    finally:
        await log.close()
