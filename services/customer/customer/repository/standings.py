"""What scoring and campaign tell of a customer: scores, tier, stage, alerts and actions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec


def _json(values: Sequence[dict[str, Any]]) -> list[str]:
    return [msgspec.json.encode(value).decode() for value in values]


@dataclass(frozen=True, slots=True)
class Standing:
    """The latest scores of a customer."""

    customer_id: UUID
    tier: str
    stage: str
    scores: dict[str, Any]
    scored_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Alert:
    """A state of an alert; one that was only cleared brings no facts."""

    id: UUID
    customer_id: UUID
    state: str
    facts: dict[str, Any]
    raised_at: datetime | None
    cleared_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Action:
    """A decided action, or what became of it."""

    id: UUID
    customer_id: UUID
    state: str
    facts: dict[str, Any]
    decided_at: datetime
    finished_at: datetime | None


_SAVE_STANDINGS = """
WITH changed AS (
    INSERT INTO standings (customer_id, scored_tier, scored_stage, scores, score_version)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]::jsonb[], $5::bigint[]) AS n (customer_id)
    ORDER BY customer_id
    ON CONFLICT (customer_id) DO UPDATE SET scored_tier = excluded.scored_tier, scored_stage = excluded.scored_stage,
        scores = excluded.scores, score_version = excluded.score_version
    WHERE standings.score_version < excluded.score_version
    RETURNING new.customer_id, old.tier AS tier_before, new.tier AS tier_after, old.stage AS stage_before,
        new.stage AS stage_after
)
INSERT INTO standing_history (customer_id, measure, before, after, cause, changed_at)
SELECT customer_id, measure, before, after, 'scored', at
FROM changed JOIN unnest($1::uuid[], $6::timestamptz[]) AS n (scored, at) ON scored = customer_id
CROSS JOIN LATERAL (VALUES ('tier', tier_before, tier_after), ('stage', stage_before, stage_after))
    AS measured (measure, before, after)
WHERE before IS DISTINCT FROM after
ORDER BY customer_id
"""
_SAVE_ALERTS = """
INSERT INTO alerts AS kept (id, customer_id, state, facts, raised_at, cleared_at, version)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]::jsonb[], $5::timestamptz[], $6::timestamptz[],
    $7::bigint[]) AS n (id)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET state = excluded.state, facts = kept.facts || excluded.facts,
    raised_at = coalesce(excluded.raised_at, kept.raised_at), cleared_at = excluded.cleared_at,
    version = excluded.version
WHERE kept.version < excluded.version
"""
# An outcome may be told before the decision; it must not be taken back then.
_SAVE_ACTIONS = """
INSERT INTO actions AS kept (id, customer_id, state, facts, decided_at, finished_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]::jsonb[], $5::timestamptz[], $6::timestamptz[])
    AS n (id)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET facts = kept.facts || excluded.facts,
    state = CASE excluded.state WHEN 'decided' THEN kept.state ELSE excluded.state END,
    decided_at = least(kept.decided_at, excluded.decided_at),
    finished_at = coalesce(excluded.finished_at, kept.finished_at)
"""


async def save_standings(connection: asyncpg.Connection, standings: Sequence[Standing]) -> None:
    """Keep scores that are newer than those we have, and the history of tier and stage; at most one a customer."""
    await connection.execute(
        _SAVE_STANDINGS,
        [one.customer_id for one in standings], [one.tier for one in standings], [one.stage for one in standings],
        _json([one.scores for one in standings]), [one.version for one in standings],
        [one.scored_at for one in standings],
    )  # fmt: skip


async def save_alerts(connection: asyncpg.Connection, alerts: Sequence[Alert]) -> None:
    """Keep states of alerts that are newer than those we have; at most one for each alert."""
    await connection.execute(
        _SAVE_ALERTS,
        [one.id for one in alerts], [one.customer_id for one in alerts], [one.state for one in alerts],
        _json([one.facts for one in alerts]), [one.raised_at for one in alerts],
        [one.cleared_at for one in alerts], [one.version for one in alerts],
    )  # fmt: skip


async def save_actions(connection: asyncpg.Connection, actions: Sequence[Action]) -> None:
    """Keep actions and what became of them, in whatever order that is told; at most one state for each."""
    await connection.execute(
        _SAVE_ACTIONS,
        [one.id for one in actions], [one.customer_id for one in actions], [one.state for one in actions],
        _json([one.facts for one in actions]), [one.decided_at for one in actions],
        [one.finished_at for one in actions],
    )  # fmt: skip
