"""Daily buckets at rest: additive upserts in, whole tables out as numpy columns.

Sums are stored as whole numbers (money and the like in millionths): adding them gives the same in every order.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from scoring.domain.activity import COLUMNS, ActivityTable
from scoring.repository.customers import list_members, list_survivors
from scoring.repository.rows import to_columns

BucketKey = tuple[UUID, int, int]

_SCALE = np.array([1.0 if name.endswith("_count") else 1e6 for name in COLUMNS])
_NAMES = ", ".join(COLUMNS)
_FOLD_AT_ONCE = 5000

_ARRAYS = ", ".join(f"${n + 4}::bigint[]" for n in range(len(COLUMNS)))
_FOLD = (
    f"INSERT INTO activity (customer_id, day, known_day, {_NAMES}) "
    f"SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], {_ARRAYS}) "
    "ON CONFLICT (customer_id, day, known_day) DO UPDATE SET "
    + ", ".join(f"{name} = activity.{name} + excluded.{name}" for name in COLUMNS)
)


async def fold(connection: asyncpg.Connection, increments: Iterable[tuple[BucketKey, Sequence[float]]]) -> None:
    """Add interactions to their buckets: one statement for a micro-batch, several for a very large one."""
    sums: dict[BucketKey, NDArray[np.float64]] = {}
    for key, added in increments:
        found = sums.get(key)
        sums[key] = np.asarray(added) if found is None else found + added
    # Two transactions that lock buckets in the same order cannot deadlock.
    ordered = sorted(sums)
    for start in range(0, len(ordered), _FOLD_AT_ONCE):
        keys = ordered[start : start + _FOLD_AT_ONCE]
        columns = np.rint(np.stack([sums[key] for key in keys]) * _SCALE).astype(np.int64).T.tolist()
        await connection.execute(_FOLD, *map(list, zip(*keys, strict=True)), *columns)


# Every column is NOT NULL and of fixed width, so a row of PostgreSQL's binary COPY has a fixed width too: a field
# count, then each field behind its length (https://www.postgresql.org/docs/18/sql-copy.html, Binary Format).
_FIELDS = [("customer", ">i4"), ("day", ">i4"), ("known_day", ">i4"), *((name, ">i8") for name in COLUMNS)]
_ROW = np.dtype(
    [("fields", ">i2"), *(part for name, kind in _FIELDS for part in ((f"{name}_length", ">i4"), (name, kind)))]
)
_SIGNATURE_BYTES = 11
_NOBODY = "('00000000-0000-0000-0000-000000000000'::uuid,0)"
_NONE = np.zeros(0, np.int64)
PAGE = 2000


async def load(
    connection: asyncpg.Connection, members: Mapping[UUID, Sequence[UUID]], *, customers: Sequence[UUID]
) -> ActivityTable:
    """The buckets of customers, who get the indexes 0 … in the order given; `members` adds who was merged into one."""
    index_of: dict[UUID, int] = {}
    for index, customer in enumerate(customers):
        for one in (customer, *members.get(customer, ())):
            index_of[one] = index
    # COPY takes no parameters; ids and whole numbers cannot carry SQL.
    listed = ",".join(f"('{one}'::uuid,{index})" for one, index in index_of.items())
    return await _copied(connection, len(customers), f"(VALUES {listed or _NOBODY}) AS chosen (id, index)")


async def load_everybody(connection: asyncpg.Connection) -> tuple[list[UUID], ActivityTable]:
    """Every survivor with all its buckets, page by page; ids in the order of indexes."""
    everybody: list[UUID] = []
    pages: list[ActivityTable] = []
    while page := await list_survivors(connection, after=everybody[-1] if everybody else None, limit=PAGE):
        pages.append(await load(connection, await list_members(connection, page), customers=page))
        everybody.extend(page)
    starts = np.cumsum([0, *(one.customer_count for one in pages)])
    return everybody, ActivityTable.build(
        len(everybody),
        np.concatenate([_NONE, *(one.customer + start for one, start in zip(pages, starts, strict=False))]),
        day=np.concatenate([_NONE, *(one.day for one in pages)]),
        known_day=np.concatenate([_NONE, *(one.known_day for one in pages)]),
        sums=np.concatenate([np.zeros((0, len(COLUMNS))), *(one.sums for one in pages)]),
    )


async def _copied(connection: asyncpg.Connection, customer_count: int, chosen: str) -> ActivityTable:
    buffer = io.BytesIO()

    async def take(piece: bytes) -> None:
        buffer.write(piece)

    query = f"SELECT index, day, known_day, {_NAMES} FROM {chosen} JOIN activity ON customer_id = chosen.id"
    await connection.copy_from_query(query, output=take, format="binary")
    return _table(customer_count, buffer.getvalue())


def _table(customer_count: int, copied: bytes) -> ActivityTable:
    start = _SIGNATURE_BYTES + 8 + int.from_bytes(copied[15:19], "big")
    rows: NDArray[Any] = np.frombuffer(copied[start:-2], dtype=_ROW)
    sums = np.stack([rows[name] for name in COLUMNS], axis=1).astype(np.float64) / _SCALE
    return ActivityTable.build(
        customer_count, rows["customer"].astype(np.int64),
        day=rows["day"].astype(np.int64), known_day=rows["known_day"].astype(np.int64), sums=sums,
    )  # fmt: skip


async def forget(connection: asyncpg.Connection, customers: Sequence[UUID]) -> None:
    """Delete everything that was folded of customers."""
    await connection.execute("DELETE FROM activity WHERE customer_id = ANY($1)", list(customers))
    await connection.execute("DELETE FROM subscriptions WHERE customer_id = ANY($1)", list(customers))


async def add_subscriptions(connection: asyncpg.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Record what contracts bring: (interaction_id, customer_id, plan, monthly_margin, occurred_at)."""
    if rows:
        await connection.execute(
            "INSERT INTO subscriptions (interaction_id, customer_id, plan, monthly_margin, occurred_at) SELECT * FROM "
            "unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[], $5::timestamptz[]) ON CONFLICT DO NOTHING",
            *to_columns(rows),
        )


async def list_monthly_margins(
    connection: asyncpg.Connection, customers: Iterable[UUID], *, as_of: datetime
) -> dict[UUID, float]:
    """What each customer's plans bring a month, by the latest word on each plan; customers without are left out."""
    rows = await connection.fetch(
        "SELECT customer_id, sum(monthly_margin) AS margin FROM (SELECT DISTINCT ON (customer_id, plan) customer_id, "
        "monthly_margin FROM subscriptions WHERE customer_id = ANY($1) AND occurred_at <= $2 "
        "ORDER BY customer_id, plan, occurred_at DESC, interaction_id DESC) AS latest GROUP BY customer_id",
        list(customers), as_of,
    )  # fmt: skip
    return {row["customer_id"]: row["margin"] for row in rows}
