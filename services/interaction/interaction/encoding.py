"""Events of the hot path, encoded straight to the bytes that `contracts` would write, some ten times faster.

A test holds both forms equal.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Raw, Struct

from chassis.trace import TraceContext
from contracts.catalogue import PARTITION_COUNT
from contracts.interaction import HistoryRecorded, InteractionRecorded
from interaction.bodies import MoneyBody, encoder
from interaction.entries import Entry, FactsBody
from interaction.ids import new_id

# Event id, topic, key and payload, as the outbox has them.
OutboxRecord = tuple[UUID, str, str, bytes]

MAX_CHUNK_ROWS = 500
MAX_CHUNK_BYTES = 800_000
_SCHEMA_OF = {event.wire_name: f"stave:events/{event.wire_name}" for event in (InteractionRecorded, HistoryRecorded)}
_NO_LINES = Raw(b"[]")
_NO_FACTS = FactsBody()


class ExternalIdFields(Struct, gc=False):
    """A customer's id in another system."""

    source: str | None
    id: str


class RecordedFields(Struct, gc=False):
    """The data of `interaction.recorded.v1`."""

    customer_id: UUID | None
    id: UUID
    source: str
    source_id: str
    external_id: ExternalIdFields | None
    channel: str
    direction: str
    kind: str
    occurred_at: datetime
    known_at: datetime
    amount: MoneyBody | None
    cost_to_serve: Decimal | None
    margin: Decimal | None
    margin_assumed: bool
    discount: Decimal | None
    lines: Raw
    facts: FactsBody
    backfill: bool


class HistoryFields(Struct, omit_defaults=True, gc=False):
    """One row of `interaction.history_recorded.v1`."""

    id: UUID
    customer_id: UUID | None
    channel: str
    kind: str
    occurred_at: datetime
    external_id: ExternalIdFields | None = None
    amount: Decimal | None = None
    margin: Decimal | None = None
    margin_assumed: bool = True
    discount: Decimal | None = None
    products: list[str] = []
    facts: FactsBody | None = None


class ChunkFields(Struct):
    """The data of `interaction.history_recorded.v1`."""

    shard: int
    currency: str
    rows: list[Raw]


class EnvelopeFields(Struct, gc=False):
    """The CloudEvents envelope."""

    specversion: str
    id: UUID
    source: str
    type: str
    subject: str
    partitionkey: str
    time: datetime
    datacontenttype: str
    dataschema: str
    traceparent: str
    correlationid: str
    causationid: UUID | None
    backfill: bool
    data: Any


def recorded_row(entry: Entry, at: datetime) -> OutboxRecord:
    """The outbox row of `InteractionRecorded`."""
    body = entry.body
    customer = body.customer
    fields = RecordedFields(
        entry.survivor_id, entry.id, body.source, body.source_id,
        None if customer.external_id is None else ExternalIdFields(customer.source, customer.external_id),
        body.channel, body.direction, body.kind, entry.occurred_at, entry.known_at, body.amount, body.cost_to_serve,
        entry.margin, entry.margin_assumed, entry.discount, Raw(entry.lines_json) if entry.lines_json else _NO_LINES,
        entry.facts or _NO_FACTS, False,
    )  # fmt: skip
    return _enveloped(InteractionRecorded, fields, str(entry.survivor_id), trace=entry.trace, at=at)


def history_rows(entries: Iterable[Entry], currency: str, at: datetime) -> list[OutboxRecord]:
    """The outbox rows of `HistoryRecorded`, one for each chunk of a shard."""
    by_shard: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_shard[shard_of(entry)].append(entry)
    rows = []
    for shard, members in sorted(by_shard.items()):
        for chunk in _chunks([encoder.encode(_history(entry)) for entry in members]):
            fields = ChunkFields(shard, currency, chunk)
            rows.append(
                _enveloped(HistoryRecorded, fields, f"history-{shard}", trace=members[0].trace, at=at, backfill=True)
            )
    return rows


def shard_of(entry: Entry) -> int:
    """The shard of a customer's history."""
    return 0 if entry.survivor_id is None else entry.survivor_id.int % PARTITION_COUNT


def _history(entry: Entry) -> HistoryFields:
    body = entry.body
    return HistoryFields(
        entry.id, entry.survivor_id, body.channel, body.kind, entry.occurred_at, _external_id(entry),
        entry.worth, entry.margin, entry.margin_assumed, entry.discount, [line.product for line in body.lines],
        entry.facts,
    )  # fmt: skip


def _chunks(encoded: Sequence[bytes]) -> list[list[Raw]]:
    """Cut rows into chunks that keep within the limits of an event."""
    chunks: list[list[Raw]] = [[]]
    size = 0
    for row in encoded:
        if chunks[-1] and (len(chunks[-1]) == MAX_CHUNK_ROWS or size + len(row) > MAX_CHUNK_BYTES):
            chunks.append([])
            size = 0
        chunks[-1].append(Raw(row))
        size += len(row) + 1
    return chunks


def _external_id(entry: Entry) -> ExternalIdFields | None:
    customer = entry.body.customer
    return None if customer.external_id is None else ExternalIdFields(customer.source, customer.external_id)


def _enveloped(
    event: type[InteractionRecorded] | type[HistoryRecorded], fields: Struct, subject: str,
    *, trace: TraceContext, at: datetime, backfill: bool = False,
) -> OutboxRecord:  # fmt: skip
    event_id = new_id()
    name = event.wire_name
    envelope = EnvelopeFields(
        "1.0", event_id, "stave/interaction", name, subject, subject, at, "application/json", _SCHEMA_OF[name],
        trace.traceparent, trace.correlation_id, trace.causation_id, backfill, fields,
    )  # fmt: skip
    return event_id, event.topic, subject, encoder.encode(envelope)
