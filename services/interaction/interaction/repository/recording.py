"""The queries of the hot path, on the driver's own connection: arrays in one statement, rows by COPY."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from chassis.outbox import CHANNEL
from interaction.encoding import OutboxRecord
from interaction.entries import Entry

ExternalKey = tuple[str, str]

_FIND_IDENTITIES = """
SELECT wanted.source, wanted.external_id, found.customer_id, coalesce(merged.survivor_id, found.customer_id)
FROM unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31))) AS wanted (source, external_id)
JOIN identities AS found ON found.source = wanted.source AND found.external_id = wanted.external_id
LEFT JOIN customers AS merged ON merged.id = found.customer_id
"""
_FIND_SURVIVORS = "SELECT id, survivor_id FROM customers WHERE id = ANY($1::uuid[]) AND survivor_id IS NOT NULL"
# Rows go in sorted, so that two writers with the same keys wait for each other instead of locking each other out.
_ADD_IDENTITIES = """
INSERT INTO identities (source, external_id, customer_id)
SELECT * FROM unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)), string_to_array($3, ',')::uuid[])
    AS new (source, external_id, customer_id)
ORDER BY new.source COLLATE "C", new.external_id COLLATE "C" ON CONFLICT DO NOTHING
"""
_CLAIM = """
INSERT INTO deduplication (source, source_id, interaction_id, body_hash)
SELECT * FROM unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)), string_to_array($3, ',')::uuid[],
                     string_to_array($4, ',')::bigint[])
    AS new (source, source_id, interaction_id, body_hash)
ORDER BY new.source COLLATE "C", new.source_id COLLATE "C" ON CONFLICT DO NOTHING
"""
_FIND_CLAIMS = """
SELECT claimed.source, claimed.source_id, claimed.interaction_id, claimed.body_hash, recorded.customer_id
FROM unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31))) AS wanted (source, source_id)
JOIN deduplication AS claimed ON claimed.source = wanted.source AND claimed.source_id = wanted.source_id
LEFT JOIN interactions AS recorded ON recorded.id = claimed.interaction_id
"""
_SEPARATOR = "\x1f"
_INTERACTION_COLUMNS = (
    "id", "customer_id", "source", "source_id", "channel", "direction", "kind", "occurred_at", "known_at", "amount",
    "currency", "cost_to_serve", "margin", "margin_assumed", "discount", "lines", "properties", "backfill", "trace_id",
)  # fmt: skip
_OUTBOX_COLUMNS = ("event_id", "topic", "key", "payload")


class Identity(NamedTuple):
    """The profile an external id belongs to, and the one it lives on in."""

    customer_id: UUID
    survivor_id: UUID


class Claim(NamedTuple):
    """The interaction that holds a deduplication key; no customer when it was erased."""

    interaction_id: UUID
    body_hash: int
    customer_id: UUID | None


def _joined(keys: Iterable[tuple[str, str]], place: int) -> str:
    """One part of each key, as one text: the driver writes an array of texts ten times more slowly.

    None holds the separator: ids with control characters are refused.
    """
    return _SEPARATOR.join([key[place] for key in keys])


async def find_identities(connection: asyncpg.Connection, keys: Sequence[ExternalKey]) -> dict[ExternalKey, Identity]:
    """The known ones among external ids."""
    rows = await connection.fetch(_FIND_IDENTITIES, _joined(keys, 0), _joined(keys, 1))
    return {(row[0], row[1]): Identity(row[2], row[3]) for row in rows}


async def find_survivors(connection: asyncpg.Connection, customer_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The survivors of those customers that were merged."""
    return {row[0]: row[1] for row in await connection.fetch(_FIND_SURVIVORS, list(customer_ids))}


async def add_identities(connection: asyncpg.Connection, minted: dict[ExternalKey, UUID]) -> None:
    """Remember minted ids; an identity that somebody else added in between stays as it is."""
    await connection.execute(
        _ADD_IDENTITIES, _joined(minted, 0), _joined(minted, 1), ",".join([str(one) for one in minted.values()])
    )  # fmt: skip


async def claim(connection: asyncpg.Connection, entries: Sequence[Entry]) -> bool:
    """Take the entries' deduplication keys; whether all of them were free."""
    keys = [entry.key for entry in entries]
    ids, digests = [str(entry.id) for entry in entries], [str(entry.digest) for entry in entries]
    status = await connection.execute(_CLAIM, _joined(keys, 0), _joined(keys, 1), ",".join(ids), ",".join(digests))
    return int(status.rpartition(" ")[2]) == len(entries)


async def find_claims(connection: asyncpg.Connection, entries: Sequence[Entry]) -> dict[tuple[str, str], Claim]:
    """Who holds the entries' deduplication keys."""
    keys = [entry.key for entry in entries]
    rows = await connection.fetch(_FIND_CLAIMS, _joined(keys, 0), _joined(keys, 1))
    return {(row[0], row[1]): Claim(row[2], row[3], row[4]) for row in rows}


async def add_interactions(connection: asyncpg.Connection, entries: Sequence[Entry]) -> None:
    """Append to the log."""
    await connection.copy_records_to_table(
        "interactions", records=[_interaction_record(entry) for entry in entries], columns=_INTERACTION_COLUMNS
    )


def _interaction_record(entry: Entry) -> tuple[object, ...]:
    body = entry.body
    money = body.amount
    return (
        entry.id, entry.customer_id, body.source, body.source_id, body.channel, body.direction, body.kind,
        entry.occurred_at, entry.known_at, None if money is None else money.amount,
        None if money is None else money.currency, body.cost_to_serve, entry.margin, entry.margin_assumed,
        entry.discount, entry.lines_json.decode() or None, entry.properties_json.decode() or None,
        body.backfill, entry.trace.trace_id,
    )  # fmt: skip


async def add_outbox(connection: asyncpg.Connection, rows: Sequence[OutboxRecord]) -> None:
    """Append to the outbox, in order, and wake its relay at commit."""
    await connection.copy_records_to_table("outbox", records=rows, columns=_OUTBOX_COLUMNS)
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
