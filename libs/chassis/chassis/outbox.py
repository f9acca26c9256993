"""The transactional outbox: a change and the event that tells of it are rows of one transaction.

A relay per service publishes what is unpublished, in order, and deletes exactly the rows it read after the event log
has acknowledged them (https://microservices.io/patterns/data/transactional-outbox.html).
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from chassis.database import Database, raw_connection
from chassis.event_log import EventLog, Record
from chassis.telemetry import OUTBOX_AGE, OUTBOX_PENDING, RELAY_PUBLISHED, Age
from chassis.trace import TraceContext, current_trace, trace_from
from chassis.worker import Wake, pause
from contracts.envelope import Envelope
from contracts.event import Event

logger = logging.getLogger(__name__)

CHANNEL = "stave_outbox"
_BATCH = 2000
_BATCH_BYTES = 8_000_000
_SAFETY_SECONDS = 5.0


class Caused(Protocol):
    """Something received that can be the cause of something published."""

    @property
    def envelope(self) -> Envelope:
        """The envelope it came in."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """What the relay will publish; no payload is a tombstone."""

    event_id: UUID
    topic: str
    key: str
    payload: bytes | None


def envelope_row(event: Event, *, source: str, trace: TraceContext, backfill: bool = False) -> OutboxRow:
    """Wrap an event as the row that publishes it."""
    event_id = uuid7()
    envelope = Envelope.wrap(
        event, event_id=event_id, source=source, time=datetime.now(UTC), backfill=backfill,
        traceparent=trace.traceparent, correlationid=trace.correlation_id, causationid=trace.causation_id,
    )  # fmt: skip
    return OutboxRow(event_id, event.topic, event.subject, envelope.model_dump_json().encode())


def publish(session: AsyncSession, event: Event, *, cause: Caused | None = None, backfill: bool = False) -> UUID:
    """Have an event published if, and only if, this session's transaction commits; returns the event's id.

    `cause` is the received event that led to it (by default the current trace's): its trace goes on and its id becomes
    the causation. The session must come from `Database.write()` of a service.
    """
    trace = current_trace() if cause is None else _trace_of(cause.envelope)
    row = envelope_row(event, source=event.wire_name.split(".", 1)[0], trace=trace, backfill=backfill)
    rows_of(session).append(row)
    return row.event_id


def publish_many(session: AsyncSession, events: Iterable[Event], *, cause: Caused | None = None) -> None:
    """Publish several events of one cause."""
    for event in events:
        publish(session, event, cause=cause)


def publish_tombstone(session: AsyncSession, topic: str, key: str) -> None:
    """Have a compacted topic forget a key."""
    rows_of(session).append(OutboxRow(uuid7(), topic, key, None))


def rows_of(session: AsyncSession) -> list[OutboxRow]:
    """The rows that will be written at the end of the session's transaction."""
    rows: list[OutboxRow] = session.info.setdefault("outbox", [])
    return rows


def _trace_of(envelope: Envelope) -> TraceContext:
    return trace_from(envelope.traceparent, envelope.correlationid, envelope.id)


async def write_outbox(session: AsyncSession) -> None:
    """Write what the transaction published; the database's hook before each commit."""
    if rows := session.info.pop("outbox", None):
        await insert_rows(await raw_connection(session), rows)


async def insert_rows(connection: asyncpg.Connection, rows: list[OutboxRow]) -> None:
    """Insert rows in order and wake the relay at commit, wherever it runs."""
    await connection.execute(
        "WITH added AS (INSERT INTO outbox (event_id, topic, key, payload) SELECT * FROM "
        "unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[])) SELECT pg_notify($5, '')",
        [row.event_id for row in rows], [row.topic for row in rows], [row.key for row in rows],
        [row.payload for row in rows], CHANNEL,
    )  # fmt: skip


class Relay:
    """Publishes a service's outbox; of several relays one is active, the others wait for its lock."""

    def __init__(self, database: Database, event_log: EventLog, wake: Wake) -> None:
        self.name = f"{database.name}-relay"
        self._database = database
        self._event_log = event_log
        self._wake = wake
        self._age = Age(OUTBOX_AGE, database.name)

    async def run(self, stop: asyncio.Event) -> None:
        """Take the lock, then publish until told to stop."""
        connection = await self._database.connect(purpose="relay")
        try:
            # The lock lives with this connection: a relay that is killed frees it at once.
            while not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('stave_relay'), 0)"):
                self._age.oldest_at = None
                if stop.is_set():
                    return
                await pause(stop, 0.5)
            while not stop.is_set():
                if not await self._publish_batch(connection):
                    await self._wait(stop)
        finally:
            connection.terminate()

    async def _wait(self, stop: asyncio.Event) -> None:
        OUTBOX_PENDING.labels(self._database.name).set(0)
        self._age.oldest_at = None
        waiting = asyncio.create_task(self._wake.wait(_SAFETY_SECONDS))
        stopping = asyncio.create_task(stop.wait())
        _, pending = await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    async def _publish_batch(self, connection: asyncpg.Connection) -> int:
        # A lower id can commit later than a higher one: read what is unpublished, never what is past a cursor.
        rows = await connection.fetch(
            "SELECT seq, topic, key, payload, created_at FROM (SELECT *, sum(coalesce(octet_length(payload), 0)) "
            "OVER (ORDER BY seq) AS bytes FROM (SELECT * FROM outbox ORDER BY seq LIMIT $1) AS oldest) AS sized "
            "WHERE bytes - coalesce(octet_length(payload), 0) < $2 ORDER BY seq",
            _BATCH, _BATCH_BYTES,
        )  # fmt: skip
        if not rows:
            return 0
        OUTBOX_PENDING.labels(self._database.name).set(len(rows))
        self._age.oldest_at = rows[0]["created_at"]
        await self._event_log.append([Record(row["topic"], row["key"], row["payload"]) for row in rows])
        await connection.execute("DELETE FROM outbox WHERE seq = ANY($1::bigint[])", [row["seq"] for row in rows])
        RELAY_PUBLISHED.labels(self._database.name).inc(len(rows))
        return len(rows)
