"""Advisory locks that keep two transactions from making two profiles of one customer."""

from collections.abc import Iterable
from zlib import crc32

import asyncpg

from customer.domain.profile import Key

_IDENTITY = 0x1DE47171
# The server holds a few thousand locks in all; a bulk request has more keys than that.
_BUCKET_COUNT = 512


async def lock_keys(connection: asyncpg.Connection, keys: Iterable[Key]) -> None:
    """Be the only one who decides whose these keys are, until the transaction ends; merges wait."""
    buckets = sorted({crc32("\0".join(key).encode()) % _BUCKET_COUNT for key in keys})
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1::int, -1)", _IDENTITY)
    # Everyone takes the buckets in ascending order, so nobody waits for one who waits for them.
    await connection.execute(
        "SELECT pg_advisory_xact_lock($1::int, bucket) FROM unnest($2::int[]) AS bucket", _IDENTITY, buckets
    )


async def lock_all_keys(connection: asyncpg.Connection) -> None:
    """Be the only one who moves keys between profiles, until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1::int, -1)", _IDENTITY)
