"""Consents as rows: the latest per customer, channel and purpose, and everything that was ever said."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from customer.domain.consents import Consent, Statement

Topic = tuple[UUID, str, str]

_NAMES = "customer_id, channel, purpose, state, proof, source, at"
_SAID = "unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])"
_REMEMBER = f"INSERT INTO consent_history ({_NAMES}, recorded_at) SELECT *, $8::timestamptz FROM {_SAID}"
# Of several statements about one thing in one request the latest counts; of equally old ones the last.
_PUT_IN_FORCE = f"""
INSERT INTO consents ({_NAMES}, recorded_at)
SELECT DISTINCT ON (customer_id, channel, purpose) {_NAMES}, $8::timestamptz
FROM {_SAID} WITH ORDINALITY AS said ({_NAMES}, place)
ORDER BY customer_id, channel, purpose, at DESC, place DESC
ON CONFLICT (customer_id, channel, purpose) DO UPDATE SET state = excluded.state, proof = excluded.proof,
    source = excluded.source, at = excluded.at, recorded_at = excluded.recorded_at
WHERE consents.at <= excluded.at
"""


@dataclass(frozen=True, slots=True)
class Dated:
    """A statement of a customer with the time it counts from."""

    customer_id: UUID
    statement: Statement
    at: datetime


async def in_force(connection: asyncpg.Connection, ids: Collection[UUID]) -> dict[Topic, Consent]:
    """The consents of customers and of those merged into them, by customer, channel and purpose."""
    rows = await connection.fetch(
        "SELECT DISTINCT ON (me.id, channel, purpose) me.id, channel, purpose, state, at "
        "FROM unnest($1::uuid[]) AS me (id) CROSS JOIN LATERAL (SELECT me.id AS member UNION ALL "
        "SELECT c.id FROM customers AS c WHERE c.survivor_id = me.id) AS cluster "
        "JOIN consents ON consents.customer_id = cluster.member "
        # Two that are equally old: rather send nothing than send it against somebody's will.
        "ORDER BY me.id, channel, purpose, at DESC, state = 'granted'",
        list(ids),
    )  # fmt: skip
    return {(row["id"], row["channel"], row["purpose"]): Consent(row["state"], row["at"]) for row in rows}


async def record(connection: asyncpg.Connection, said: Sequence[Dated], *, recorded_at: datetime) -> None:
    """Put statements in the history, and in force where they are the latest."""
    columns = [
        [one.customer_id for one in said], [one.statement.channel for one in said],
        [one.statement.purpose for one in said], [one.statement.state for one in said],
        [one.statement.proof for one in said], [one.statement.source for one in said], [one.at for one in said],
    ]  # fmt: skip
    await connection.execute(_REMEMBER, *columns, recorded_at)
    await connection.execute(_PUT_IN_FORCE, *columns, recorded_at)
