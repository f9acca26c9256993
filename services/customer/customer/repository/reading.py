"""What is read: each answer is one statement that builds its JSON in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg


def instant(expression: str) -> str:
    """SQL for a time as RFC 3339 in UTC."""
    return f"""to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


_ORIGIN = f"json_build_object('source', known_from, 'at', {instant('known_at')})"
IDENTIFIERS = f"""
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('source', source, 'id', value) ORDER BY position) FILTER (WHERE kind = 'external')
            AS external_ids,
        json_agg(value ORDER BY position) FILTER (WHERE kind = 'email') AS emails,
        json_agg(value ORDER BY position) FILTER (WHERE kind = 'phone') AS phones,
        json_agg({_ORIGIN} ORDER BY position) FILTER (WHERE kind = 'external') AS external_id_origins,
        json_agg({_ORIGIN} ORDER BY position) FILTER (WHERE kind = 'email') AS email_origins,
        json_agg({_ORIGIN} ORDER BY position) FILTER (WHERE kind = 'phone') AS phone_origins
    FROM identifiers WHERE customer_id = c.id
) AS i ON true
LEFT JOIN standings AS s ON s.customer_id = c.id
"""
_MEMBERS = f"""
    'id', c.id, 'kind', c.kind, 'name', c.name, 'external_ids', coalesce(i.external_ids, '[]'),
    'emails', coalesce(i.emails, '[]'), 'phones', coalesce(i.phones, '[]'), 'country', c.country,
    'time_zone', c.time_zone, 'attributes', c.attributes, 'tier', s.tier, 'stage', s.stage,
    'overrides', json_build_object('tier', s.tier_override, 'stage', s.stage_override),
    'provenance', json_build_object('external_ids', coalesce(i.external_id_origins, '[]'),
        'emails', coalesce(i.email_origins, '[]'), 'phones', coalesce(i.phone_origins, '[]'), 'values', c.provenance),
    'created_at', {instant("c.created_at")}, 'updated_at', {instant("c.updated_at")}
"""
PROFILE = f"json_build_object({_MEMBERS}, 'merged_from', CASE WHEN asked.id <> c.id THEN asked.id END)"
# A customer and all who were merged into it: what was said of each of them is said of the survivor.
_CLUSTER = """
WITH survivor AS (SELECT coalesce(survivor_id, id) AS id FROM customers WHERE id = $1),
cluster AS MATERIALIZED (SELECT ARRAY(SELECT id FROM survivor UNION ALL
    SELECT c.id FROM customers AS c JOIN survivor ON c.survivor_id = survivor.id) AS ids)
"""
_IN_CLUSTER = "customer_id = ANY((SELECT ids FROM cluster)::uuid[])"
_ASKED = f"""
FROM customers AS asked JOIN customers AS c ON c.id = coalesce(asked.survivor_id, asked.id) {IDENTIFIERS}
WHERE asked.id = $1
"""
_ONE = f"SELECT {PROFILE}::text AS body, c.version {_ASKED}"

_CONSENTS = f"""
(SELECT coalesce(json_agg(json_build_object('channel', channel, 'purpose', purpose, 'state', state,
        'at', {instant("at")}, 'proof', proof, 'source', source) ORDER BY channel, purpose), '[]')
    FROM (SELECT DISTINCT ON (channel, purpose) * FROM consents WHERE {_IN_CLUSTER}
        ORDER BY channel, purpose, at DESC, state = 'granted') AS in_force)
"""
_RECENT = f"""
(SELECT coalesce(json_agg(json_build_object('id', id, 'kind', kind, 'channel', channel, 'direction', direction,
        'occurred_at', {instant("occurred_at")}, 'source', source, 'source_id', source_id, 'amount',
        CASE WHEN amount IS NOT NULL THEN json_build_object('amount', amount::text, 'currency', currency) END)
        ORDER BY occurred_at DESC, id DESC), '[]')
    FROM (SELECT * FROM recent_interactions WHERE {_IN_CLUSTER} AND own_touch = %s
        ORDER BY occurred_at DESC, id DESC LIMIT 10) AS latest)
"""
_COUNTS = f"""
LEFT JOIN LATERAL (
    SELECT json_object_agg(kind, interaction_count ORDER BY kind) AS counts,
        min(first_at) FILTER (WHERE kind <> ALL($2::text[])) AS first_seen_at,
        max(last_at) FILTER (WHERE kind <> ALL($2::text[])) AS last_seen_at
    FROM (SELECT kind, sum(interaction_count)::bigint AS interaction_count, min(first_at) AS first_at,
            max(last_at) AS last_at
        FROM interaction_counts WHERE {_IN_CLUSTER} GROUP BY kind) AS by_kind
) AS seen ON true
"""
# An alert is told less often than a score, and an action against it is told by campaign.
_ALERTS = f"""
(SELECT coalesce(json_agg(facts
        || CASE WHEN (s.scores #>> '{{churn,scored_at}}')::timestamptz > (facts ->> 'scored_at')::timestamptz
            THEN jsonb_build_object('probability', s.scores #> '{{churn,probability}}',
                'band', s.scores #> '{{churn,band}}', 'scored_at', s.scores #> '{{churn,scored_at}}')
            ELSE '{{}}' END
        || CASE WHEN facts ->> 'state' = 'open'
                AND id::text IN (SELECT a.facts ->> 'alert_id' FROM actions AS a WHERE a.{_IN_CLUSTER})
            THEN '{{"state": "acted"}}'::jsonb ELSE '{{}}' END
        ORDER BY (facts #>> '{{expected_profit,amount}}')::numeric DESC NULLS LAST, id), '[]')
    FROM alerts WHERE {_IN_CLUSTER} AND state = 'open')
"""
_ACTIONS = f"""
(SELECT coalesce(json_agg(facts || jsonb_build_object('state', state, 'finished_at', {instant("finished_at")})
        ORDER BY decided_at DESC, id DESC), '[]')
    FROM (SELECT * FROM actions WHERE {_IN_CLUSTER} ORDER BY decided_at DESC, id DESC LIMIT 10) AS latest)
"""
_360 = f"""
{_CLUSTER}
SELECT json_build_object(
    'profile', {PROFILE}, 'stage', s.stage, 'tier', s.tier, 'scores', s.scores, 'interactions', {_RECENT % "false"},
    'counts', coalesce(seen.counts, '{{}}'), 'first_seen_at', {instant("seen.first_seen_at")},
    'last_seen_at', {instant("seen.last_seen_at")}, 'own_touches', {_RECENT % "true"}, 'alerts', {_ALERTS},
    'actions', {_ACTIONS}, 'consents', {_CONSENTS}, 'as_of', $3::text
)::text AS body, c.version
FROM customers AS asked JOIN customers AS c ON c.id = coalesce(asked.survivor_id, asked.id) {IDENTIFIERS} {_COUNTS}
WHERE asked.id = $1
"""
_CONSENT_BOOK = f"""
{_CLUSTER}
SELECT json_build_object('consents', {_CONSENTS}, 'default', $2::text, 'history',
    (SELECT coalesce(json_agg(json_build_object('channel', channel, 'purpose', purpose, 'state', state,
            'at', {instant("at")}, 'proof', proof, 'source', source, 'recorded_at', {instant("recorded_at")})
            ORDER BY seq DESC), '[]')
        FROM (SELECT * FROM consent_history WHERE {_IN_CLUSTER} ORDER BY seq DESC LIMIT 500) AS said)
)::text FROM customers WHERE id = $1
"""
_STANDING_HISTORY = f"""
SELECT json_build_object('items', (
    SELECT coalesce(json_agg(json_build_object('measure', measure, 'before', before, 'after', after, 'cause', cause,
        'changed_at', {instant("changed_at")}) ORDER BY seq DESC), '[]')
    FROM (SELECT * FROM standing_history WHERE customer_id = coalesce(c.survivor_id, c.id) ORDER BY seq DESC LIMIT 500)
        AS said)
)::text FROM customers AS c WHERE id = $1
"""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer as JSON text, and the version of what it shows."""

    body: str
    version: int


async def _rendered(connection: asyncpg.Connection, query: str, *parameters: Any) -> Rendered | None:
    row = await connection.fetchrow(query, *parameters)
    return None if row is None else Rendered(row["body"], row["version"])


async def find_profile(connection: asyncpg.Connection, customer_id: UUID) -> Rendered | None:
    """A profile; a merged id gives the survivor's."""
    return await _rendered(connection, _ONE, customer_id)


async def find_id_by_external_id(connection: asyncpg.Connection, source: str, external_id: str) -> UUID | None:
    """Whom an id in another system identifies."""
    found: UUID | None = await connection.fetchval(
        "SELECT customer_id FROM identifiers WHERE kind = 'external' AND source = $1 AND value = $2 AND identifying",
        source, external_id,
    )  # fmt: skip
    return found


async def find_360(
    connection: asyncpg.Connection, customer_id: UUID, *, own_touches: Sequence[str], as_of: datetime
) -> Rendered | None:
    """All that is known about a customer, in one statement."""
    at = as_of.isoformat().replace("+00:00", "Z")
    return await _rendered(connection, _360, customer_id, own_touches, at)


async def find_consents(connection: asyncpg.Connection, customer_id: UUID, *, default: str) -> str | None:
    """The consents in force and their history, newest first."""
    found: str | None = await connection.fetchval(_CONSENT_BOOK, customer_id, default)
    return found


async def find_standing_history(connection: asyncpg.Connection, customer_id: UUID) -> str | None:
    """How tier and stage changed, newest first."""
    found: str | None = await connection.fetchval(_STANDING_HISTORY, customer_id)
    return found
