"""What could not be applied: buried with its error, its key's later events parked behind it until a person replays."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import Database, raw_connection
from chassis.event_log import StoredRecord
from chassis.telemetry import DEAD_LETTERS, describe_discreetly

if TYPE_CHECKING:
    from chassis.consumer import Consumer, Received

logger = logging.getLogger(__name__)

# Erasure and merge must reach even a customer whose other events wait.
_PASSES = ("customer.erased.", "customer.merged.", "customer.unmerged.")


class ReplayFailed(Exception):
    """A replayed event failed again; it and what is parked behind it stay."""


async def bury(database: Database, consumer: str, record: StoredRecord, *, error: Exception) -> None:
    """Keep a record that cannot be applied, and say why; its inbox row keeps a later copy from sneaking past."""
    event_id, event_type, key = _identify(record)
    async with database.write() as session:
        connection = await raw_connection(session)
        await _lock_key(connection, consumer, key)
        if event_id is not None and not await connection.fetchval(
            "INSERT INTO inbox (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true",
            consumer, event_id,
        ):  # fmt: skip
            return
        await connection.execute(
            'INSERT INTO dead_letters (id, consumer, topic, partition, "offset", key, event_id, event_type, payload, '
            "error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            uuid4(), consumer, record.topic, record.partition, record.offset, key, event_id, event_type, record.value,
            describe(error),
        )  # fmt: skip
    DEAD_LETTERS.labels(consumer).inc()
    logger.error("%s buried %s of %s: %s", consumer, event_type or "a record", record.topic, describe(error))


def describe(error: Exception) -> str:
    """One line about an error that quotes no value: values may be personal."""
    return describe_discreetly(error).split("\n", 1)[0][:500]


def _identify(record: StoredRecord) -> tuple[UUID | None, str | None, str]:
    """The event's id, type and key as far as they can be read."""
    from pydantic import ValidationError

    from contracts.envelope import Envelope

    try:
        envelope = Envelope.model_validate_json(record.value or b"")
    except ValidationError:
        return None, None, record.key
    return envelope.id, envelope.type, envelope.subject


async def park(connection: asyncpg.Connection, consumer: str, received: Sequence[Received[Any]]) -> list[Received[Any]]:
    """Append events of blocked keys to the parked ones, in the transaction that claimed them; returns the free ones."""
    keys = sorted({item.envelope.subject for item in received})
    blocked = await _blocked(connection, consumer, keys)
    if not blocked:
        return list(received)
    for key in sorted(blocked):
        await _lock_key(connection, consumer, key)
    # A replay may have drained a key while we waited for its lock.
    blocked = await _blocked(connection, consumer, sorted(blocked))
    waits = [
        item for item in received if item.envelope.subject in blocked and not item.envelope.type.startswith(_PASSES)
    ]
    await connection.executemany(
        'INSERT INTO parked (consumer, key, event_id, topic, partition, "offset", payload) '
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            (consumer, item.envelope.subject, item.envelope.id, item.record.topic, item.record.partition,
             item.record.offset, item.record.value)
            for item in waits
        ],
    )  # fmt: skip
    parked = {item.envelope.id for item in waits}
    return [item for item in received if item.envelope.id not in parked]


async def _blocked(connection: asyncpg.Connection, consumer: str, keys: list[str]) -> set[str]:
    rows = await connection.fetch(
        "SELECT DISTINCT key FROM dead_letters WHERE consumer = $1 AND key = ANY($2::text[]) AND state = 'buried'",
        consumer, keys,
    )  # fmt: skip
    return {row["key"] for row in rows}


async def _lock_key(connection: asyncpg.Connection, consumer: str, key: str) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))", f"parked/{consumer}", key)


async def replay(database: Database, consumer: Consumer, dead_letter_id: UUID) -> int:
    """Apply a buried event and then all that is parked behind it, in order; returns how many were applied.

    Raises LookupError when there is no such buried letter, ReplayFailed when the buried event fails again. A parked
    event that fails is buried in its turn, and the ones after it stay parked.
    """
    return await _resolve(database, consumer, dead_letter_id, state="replayed")


async def discard(database: Database, consumer: Consumer, dead_letter_id: UUID) -> int:
    """Give a buried event up for good and apply what is parked behind it; returns how many were applied."""
    return await _resolve(database, consumer, dead_letter_id, state="discarded")


async def _resolve(database: Database, consumer: Consumer, dead_letter_id: UUID, *, state: str) -> int:
    async with database.write() as session:
        connection = await raw_connection(session)
        letter = await connection.fetchrow("SELECT * FROM dead_letters WHERE id = $1", dead_letter_id)
        if letter is None or letter["consumer"] != consumer.group:
            raise LookupError(str(dead_letter_id))
        await _lock_key(connection, consumer.group, letter["key"])
        marked = await connection.fetchval(
            "UPDATE dead_letters SET state = $2, resolved_at = clock_timestamp() WHERE id = $1 AND state = 'buried' "
            "RETURNING true",
            dead_letter_id, state,
        )  # fmt: skip
        if not marked:
            raise LookupError(str(dead_letter_id))
        applied = 0
        if state == "replayed":
            try:
                applied += await _apply_stored(session, consumer, letter)
            except Exception as error:
                raise ReplayFailed(describe(error)) from error
        return applied + await _drain(session, consumer, letter["key"])


async def _apply_stored(session: AsyncSession, consumer: Consumer, row: Any) -> int:
    from chassis.consumer import read_event

    record = StoredRecord(row["topic"], row["partition"], row["offset"], row["key"], row["payload"])
    received = read_event(record, consumer.subscriptions)
    if received is None:
        return 0
    outbox_before = len(session.info.get("outbox", ()))
    try:
        async with session.begin_nested():
            await consumer.dispatch(session, [received])
    except Exception:
        del session.info.setdefault("outbox", [])[outbox_before:]
        raise
    return 1


async def _drain(session: AsyncSession, consumer: Consumer, key: str) -> int:
    connection = await raw_connection(session)
    rows = await connection.fetch(
        "SELECT * FROM parked WHERE consumer = $1 AND key = $2 ORDER BY seq", consumer.group, key
    )
    applied = 0
    for row in rows:
        await connection.execute("DELETE FROM parked WHERE seq = $1", row["seq"])
        try:
            applied += await _apply_stored(session, consumer, row)
        except Exception as error:
            await connection.execute(
                'INSERT INTO dead_letters (id, consumer, topic, partition, "offset", key, event_id, payload, error) '
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                uuid4(), consumer.group, row["topic"], row["partition"], row["offset"], key, row["event_id"],
                row["payload"], describe(error),
            )  # fmt: skip
            break
    return applied


async def purge_key(session: AsyncSession, key: str) -> None:
    """Delete what is buried or parked of an erased customer."""
    await session.execute(text("DELETE FROM parked WHERE key = :key"), {"key": key})
    await session.execute(text("DELETE FROM dead_letters WHERE key = :key"), {"key": key})
