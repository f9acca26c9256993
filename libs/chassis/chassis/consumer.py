"""The consumer: micro-batches, each handled in one transaction with its inbox rows, offsets committed afterwards.

Transient errors are retried without end; an event that keeps failing alone is buried and the later events of its key
are parked behind it, so that other keys go on at once.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncSession

from chassis import dead_letters, inbox
from chassis.database import Database, is_transient, raw_connection
from chassis.event_log import EventLog, LogReader, StoredRecord
from chassis.telemetry import CONSUMER_BATCH
from chassis.trace import TraceContext, new_trace, trace_from, use_trace
from chassis.worker import pause
from contracts.envelope import Envelope
from contracts.event import Event

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)
MAX_BATCH = 500
_FETCH_SECONDS = 30.0
_ATTEMPTS_ALONE = 3


@dataclass(frozen=True, slots=True)
class Received(Generic[E]):
    """An event as it arrived."""

    event: E
    envelope: Envelope
    record: StoredRecord


Handler = Callable[[AsyncSession, Sequence[Received[Any]], Any], Awaitable[None]]
Subscriptions = Mapping[type[Event], Handler]


class Unreadable(Exception):
    """What arrived is no event we can read, and never will be."""


def read_event(record: StoredRecord, subscriptions: Subscriptions) -> Received[Any] | None:
    """Parse a record; None for a tombstone or an event nobody here subscribed to."""
    if record.value is None or _is_of_no_interest(record.value, subscriptions):
        return None
    try:
        wire: Any = from_json(record.value)
        event_type = _subscribed(wire["type"], subscriptions)
        if event_type is None:
            return None
        envelope = Envelope.model_validate(wire)
    except (ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"not a CloudEvents envelope: {_brief(error)}") from error
    try:
        return Received(event_type.model_validate(envelope.data), envelope, record)
    except ValidationError as error:
        raise Unreadable(f"data of {envelope.type} does not fit: {_brief(error)}") from error


# How our own envelopes begin; whatever begins otherwise is parsed first.
_HEAD = re.compile(rb'\{"specversion":"1\.0","id":"[0-9a-f-]{36}","source":"[^"\\]*","type":"([^"\\]+)"')


def _is_of_no_interest(value: bytes, subscriptions: Subscriptions) -> bool:
    head = _HEAD.match(value)
    return head is not None and _subscribed(head[1].decode(), subscriptions) is None


def _subscribed(wire_name: str, subscriptions: Subscriptions) -> type[Event] | None:
    return next((event_type for event_type in subscriptions if event_type.wire_name == wire_name), None)


def _brief(error: Exception) -> str:
    """Name the fields and the faults, never the values: they may be personal."""
    if not isinstance(error, ValidationError):
        return "not JSON, or without a type"
    faults = [f"{'/'.join(map(str, fault['loc'])) or 'body'}: {fault['type']}" for fault in error.errors()[:3]]
    return "; ".join(faults)


def _trace_of(envelope: Envelope) -> TraceContext:
    return trace_from(envelope.traceparent, envelope.correlationid, envelope.id)


def _trace_in(record: StoredRecord) -> TraceContext:
    """The trace an event came with; a new one for what cannot be read."""
    try:
        return _trace_of(Envelope.model_validate_json(record.value or b""))
    except ValidationError:
        return new_trace()


def in_runs(received: Sequence[Received[Any]]) -> list[list[Received[Any]]]:
    """Group events of one type into runs for one handler call each, keeping the order of events of one subject."""
    runs: list[list[Received[Any]]] = []
    last_run_of: dict[str, int] = {}
    for item in received:
        subject = item.envelope.subject
        earliest = last_run_of.get(subject, 0)
        place = next(
            (n for n in range(earliest, len(runs)) if runs[n][0].envelope.type == item.envelope.type), len(runs)
        )
        if place == len(runs):
            runs.append([])
        runs[place].append(item)
        last_run_of[subject] = place
    return runs


class Consumer:
    """A service's member of its group on the event log."""

    def __init__(
        self, name: str, *, database: Database, event_log: EventLog, subscriptions: Subscriptions, parts: Any
    ) -> None:
        self.name = f"{name}-consumer"
        self.group = name
        self.topics = sorted({event_type.topic for event_type in subscriptions})
        self._database = database
        self._event_log = event_log
        self.subscriptions = subscriptions
        self._parts = parts

    async def run(self, stop: asyncio.Event) -> None:
        """Read, handle, commit, until told to stop."""
        reader = await self._event_log.reader(self.group, self.topics)
        try:
            while not stop.is_set():
                records = await self._fetch(reader, stop)
                if records and await self._handle_until_done(reader, records, stop):
                    await reader.commit(records)
        finally:
            await reader.close()

    async def _fetch(self, reader: LogReader, stop: asyncio.Event) -> list[StoredRecord]:
        fetching = asyncio.ensure_future(reader.fetch(max_records=MAX_BATCH, timeout_seconds=_FETCH_SECONDS))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({fetching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not fetching.done():
            # Cutting a read off would leave its connection in the middle of a query.
            reader.interrupt()
        return await fetching

    async def _handle_until_done(self, reader: LogReader, records: list[StoredRecord], stop: asyncio.Event) -> bool:
        """Handle a batch however long it takes; False when told to stop before (it will come again)."""
        wait_seconds = 0.1
        while not stop.is_set():
            try:
                await self.handle(records)
                return True
            except Exception as error:
                if not is_transient(error):
                    raise
                logger.warning("%s waits %.1f s and tries again: %s", self.name, wait_seconds, type(error).__name__)
            await pause(stop, wait_seconds)
            wait_seconds = min(wait_seconds * 2, 10.0)
            records[:] = [record for record in records if reader.assigned(record.topic, record.partition)]
        return False

    async def handle(self, records: Sequence[StoredRecord]) -> None:
        """Apply a batch; raises only what is transient."""
        CONSUMER_BATCH.labels(self.group).observe(len(records))
        try:
            await self._apply(records)
        except Exception as error:
            if is_transient(error):
                raise
            logger.warning("%s takes a batch of %d one by one: %s", self.name, len(records), type(error).__name__)
            for record in records:
                await self._apply_alone(record)

    async def _apply_alone(self, record: StoredRecord) -> None:
        with use_trace(_trace_in(record)):
            for attempt in range(1, _ATTEMPTS_ALONE + 1):
                try:
                    return await self._apply([record])
                except Exception as error:
                    if is_transient(error):
                        raise
                    if attempt == _ATTEMPTS_ALONE:
                        await dead_letters.bury(self._database, self.group, record, error=error)

    async def _apply(self, records: Sequence[StoredRecord]) -> None:
        received = [item for record in records if (item := read_event(record, self.subscriptions)) is not None]
        if not received:
            return
        async with self._database.write() as session:
            connection = await raw_connection(session)
            fresh = await inbox.claim(connection, self.group, [item.envelope.id for item in received])
            # A batch can hold the same event twice: the first copy is the one that counts.
            first = {item.envelope.id: item for item in reversed(received)}
            news = [item for item in received if item.envelope.id in fresh and first[item.envelope.id] is item]
            free = await dead_letters.park(connection, self.group, news)
            await self.dispatch(session, free)

    async def dispatch(self, session: AsyncSession, received: Sequence[Received[Any]]) -> None:
        """Call the handlers, in the running transaction."""
        for run in in_runs(received):
            first = run[0].envelope
            with use_trace(_trace_of(first)):
                await self.subscriptions[type(run[0].event)](session, run, self._parts)
