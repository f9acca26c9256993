"""What interactions leave behind for the 360: counts per kind, first and last time, the latest ten."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

_KEPT = 10
_ROWS = (
    "unnest($1::uuid[], $2::bool[], $3::timestamptz[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], "
    "$9::text[], $10::numeric[], $11::text[]) AS n (customer_id, own_touch, occurred_at, id, channel, direction, kind, "
    "source, source_id, amount, currency)"
)
_COUNT = f"""
INSERT INTO interaction_counts AS kept (customer_id, kind, interaction_count, first_at, last_at)
SELECT customer_id, kind, count(*), min(occurred_at), max(occurred_at) FROM {_ROWS}
GROUP BY customer_id, kind ORDER BY customer_id, kind
ON CONFLICT (customer_id, kind) DO UPDATE SET interaction_count = kept.interaction_count + excluded.interaction_count,
    first_at = least(kept.first_at, excluded.first_at), last_at = greatest(kept.last_at, excluded.last_at)
"""
_KEEP = f"""
INSERT INTO recent_interactions
SELECT customer_id, own_touch, occurred_at, id, channel, direction, kind, source, source_id, amount, currency
FROM (SELECT *, row_number() OVER (PARTITION BY customer_id, own_touch ORDER BY occurred_at DESC, id DESC) AS place
    FROM {_ROWS}) AS ranked
WHERE place <= {_KEPT} ORDER BY customer_id, own_touch, occurred_at, id ON CONFLICT DO NOTHING
"""
# The eleventh newest and older of each customer that just got something new.
_PRUNE = f"""
DELETE FROM recent_interactions AS r USING unnest($1::uuid[], $2::bool[]) AS n (customer_id, own_touch)
CROSS JOIN LATERAL (SELECT occurred_at, id FROM recent_interactions AS kept
    WHERE kept.customer_id = n.customer_id AND kept.own_touch = n.own_touch
    ORDER BY occurred_at DESC, id DESC OFFSET {_KEPT - 1} LIMIT 1) AS tenth
WHERE r.customer_id = n.customer_id AND r.own_touch = n.own_touch
    AND (r.occurred_at, r.id) < (tenth.occurred_at, tenth.id)
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """An interaction as the 360 shows it. `own_touch`: it was we who acted, not the customer."""

    customer_id: UUID
    own_touch: bool
    occurred_at: datetime
    id: UUID
    channel: str
    direction: str | None
    kind: str
    source: str | None
    source_id: str | None
    amount: Decimal | None
    currency: str | None


async def add_interactions(connection: asyncpg.Connection, seen: Sequence[Seen]) -> None:
    """Count interactions and keep the latest; the order they come in makes no difference."""
    columns = [list(column) for column in zip(*map(astuple, seen), strict=True)]
    await connection.execute(_COUNT, *columns)
    await connection.execute(_KEEP, *columns)
    places = sorted({(one.customer_id, one.own_touch) for one in seen})
    await connection.execute(_PRUNE, [place[0] for place in places], [place[1] for place in places])
