"""Local copies of customers: what deciding and reaching them needs, each kept at its newest version."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.repository.query import Row, execute, fetch_all


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


async def save_profiles(session: AsyncSession, profiles: Sequence[Mapping[str, Any]]) -> None:
    """Keep time zones; one row per customer, older versions are dropped, the erased stay erased."""
    await execute(
        session,
        "INSERT INTO customers AS kept (customer_id, time_zone, profile_version) "
        "SELECT * FROM unnest(CAST(:customer_id AS uuid[]), CAST(:time_zone AS text[]), CAST(:version AS integer[])) "
        "ON CONFLICT (customer_id) DO UPDATE SET time_zone = excluded.time_zone, "
        "profile_version = excluded.profile_version "
        "WHERE kept.profile_version < excluded.profile_version AND kept.erased_at IS NULL",
        **_columns(profiles),
    )


async def save_scores(session: AsyncSession, scores: Sequence[Mapping[str, Any]]) -> None:
    """Keep the newest beliefs."""
    await execute(
        session,
        "INSERT INTO customers AS kept (customer_id, tier, stage, probability, scored_at, score_version) "
        "SELECT * FROM unnest(CAST(:customer_id AS uuid[]), CAST(:tier AS text[]), CAST(:stage AS text[]), "
        "CAST(:probability AS double precision[]), CAST(:scored_at AS timestamptz[]), CAST(:version AS integer[])) "
        "ON CONFLICT (customer_id) DO UPDATE SET tier = excluded.tier, stage = excluded.stage, "
        "probability = excluded.probability, scored_at = excluded.scored_at, score_version = excluded.score_version "
        "WHERE kept.score_version < excluded.score_version AND kept.erased_at IS NULL",
        **_columns(scores),
    )


async def save_contacts(session: AsyncSession, contacts: Sequence[Mapping[str, Any]]) -> None:
    """Keep who to write to and call; nothing is kept of the erased."""
    await execute(
        session,
        "INSERT INTO contacts AS kept (customer_id, name, email, phone, version) "
        "SELECT new.* FROM unnest(CAST(:customer_id AS uuid[]), CAST(:name AS text[]), CAST(:email AS text[]), "
        "CAST(:phone AS text[]), CAST(:version AS integer[])) AS new (customer_id, name, email, phone, version) "
        "WHERE NOT EXISTS (SELECT FROM customers AS known WHERE known.customer_id = new.customer_id "
        "AND erased_at IS NOT NULL) "
        "ON CONFLICT (customer_id) DO UPDATE SET name = excluded.name, email = excluded.email, phone = excluded.phone, "
        "version = excluded.version WHERE kept.version < excluded.version",
        **_columns(contacts),
    )


async def save_consents(session: AsyncSession, consents: Sequence[Mapping[str, Any]]) -> None:
    """Keep the newest state per customer, channel and purpose."""
    await execute(
        session,
        "INSERT INTO consents AS kept (customer_id, channel, purpose, state, changed_at, version) "
        "SELECT * FROM unnest(CAST(:customer_id AS uuid[]), CAST(:channel AS text[]), CAST(:purpose AS text[]), "
        "CAST(:state AS text[]), CAST(:changed_at AS timestamptz[]), CAST(:version AS integer[])) "
        "ON CONFLICT (customer_id, channel, purpose) DO UPDATE SET state = excluded.state, "
        "changed_at = excluded.changed_at, version = excluded.version WHERE kept.version < excluded.version",
        **_columns(consents),
    )


async def add_alias(session: AsyncSession, merged: UUID, *, lives_on_as: UUID) -> None:
    """Have a merged id resolve to its survivor; ids that led to it lead on."""
    target = (await resolve(session, [lives_on_as]))[lives_on_as]
    if target == merged:
        return
    await execute(
        session,
        "INSERT INTO aliases (customer_id, lives_on_as) VALUES (:merged, :target) "
        "ON CONFLICT (customer_id) DO UPDATE SET lives_on_as = excluded.lives_on_as",
        merged=merged, target=target,
    )  # fmt: skip
    await execute(
        session, "UPDATE aliases SET lives_on_as = :target WHERE lives_on_as = :merged", merged=merged, target=target
    )


async def remove_alias(session: AsyncSession, customer_id: UUID) -> None:
    """Have an id stand for itself again."""
    await execute(session, "DELETE FROM aliases WHERE customer_id = :id", id=customer_id)


async def resolve(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The survivor of each id; most are their own."""
    rows = await fetch_all(
        session, "SELECT customer_id, lives_on_as FROM aliases WHERE customer_id = ANY(:ids)", ids=list(customer_ids)
    )
    survivors = {row["customer_id"]: row["lives_on_as"] for row in rows}
    return {customer_id: survivors.get(customer_id, customer_id) for customer_id in customer_ids}


async def family_of(session: AsyncSession, customer_id: UUID) -> list[UUID]:
    """A customer's surviving id and every id that was merged into it."""
    survivor = (await resolve(session, [customer_id]))[customer_id]
    rows = await fetch_all(session, "SELECT customer_id FROM aliases WHERE lives_on_as = :id", id=survivor)
    return [survivor, *(row["customer_id"] for row in rows)]


async def lock_customers(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Lock customers, unknown ones too, in one order for all, so that nobody decides about them beside us."""
    ids = sorted(set(customer_ids))
    await execute(
        session,
        "INSERT INTO customers (customer_id) SELECT unnest(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING", ids=ids,
    )  # fmt: skip
    rows = await fetch_all(
        session, "SELECT * FROM customers WHERE customer_id = ANY(:ids) ORDER BY customer_id FOR UPDATE", ids=ids
    )
    return {row["customer_id"]: row for row in rows}


async def list_consents(
    session: AsyncSession, customer_ids: Sequence[UUID], *, purpose: str
) -> dict[UUID, dict[str, str]]:
    """State by channel; what a survivor never said, the latest word of a merged id says."""
    rows = await fetch_all(
        session,
        "SELECT DISTINCT ON (survivor, channel) survivor, channel, state FROM ("
        "SELECT coalesce(aliases.lives_on_as, consents.customer_id) AS survivor, channel, state, changed_at, "
        "aliases.customer_id IS NULL AS own FROM consents LEFT JOIN aliases USING (customer_id) "
        "WHERE purpose = :purpose "
        "AND (consents.customer_id = ANY(:ids) OR aliases.lives_on_as = ANY(:ids))) AS said "
        "ORDER BY survivor, channel, own DESC, changed_at DESC",
        ids=list(customer_ids), purpose=purpose,
    )  # fmt: skip
    states: dict[UUID, dict[str, str]] = {customer_id: {} for customer_id in customer_ids}
    for row in rows:
        states[row["survivor"]][row["channel"]] = row["state"]
    return states


async def list_contacts(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Contact points of those who have any."""
    rows = await fetch_all(
        session,
        "SELECT customer_id, name, email, phone FROM contacts WHERE customer_id = ANY(:ids)",
        ids=list(customer_ids),
    )
    return {row["customer_id"]: row for row in rows}


async def erase(session: AsyncSession, customer_id: UUID, *, at: datetime) -> None:
    """Forget a customer's contacts, consents, beliefs and what agents wrote; remember only that they were erased."""
    await execute(session, "DELETE FROM contacts WHERE customer_id = :id", id=customer_id)
    await execute(session, "DELETE FROM consents WHERE customer_id = :id", id=customer_id)
    await execute(
        session,
        "INSERT INTO customers (customer_id, erased_at) VALUES (:id, :at) ON CONFLICT (customer_id) DO UPDATE SET "
        "erased_at = excluded.erased_at, time_zone = NULL, tier = NULL, stage = NULL, probability = NULL",
        id=customer_id, at=at,
    )  # fmt: skip
    await execute(session, "UPDATE call_tasks SET note = NULL WHERE customer_id = :id", id=customer_id)
