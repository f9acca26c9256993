"""Profiles and their identifiers, as rows."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from customer.domain.profile import Identifier, Key, Origin, Profile

_decode = msgspec.json.decode


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def find_survivor(connection: asyncpg.Connection, customer_id: UUID) -> UUID | None:
    """The id a customer now lives under; its own unless it was merged."""
    found: UUID | None = await connection.fetchval(
        "SELECT coalesce(survivor_id, id) FROM customers WHERE id = $1", customer_id
    )
    return found


async def survivors_of(connection: asyncpg.Connection, ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The ids under which customers now live, of those that exist."""
    rows = await connection.fetch(
        "SELECT id, coalesce(survivor_id, id) AS survivor FROM customers WHERE id = ANY($1::uuid[])", list(ids)
    )
    return {row["id"]: row["survivor"] for row in rows}


async def owners_of(connection: asyncpg.Connection, keys: Collection[Key]) -> dict[Key, UUID]:
    """Whom keys identify, of those that identify somebody."""
    rows = await connection.fetch(
        "SELECT kind, source, value, customer_id FROM identifiers JOIN unnest($1::text[], $2::text[], $3::text[]) "
        "AS wanted (kind, source, value) USING (kind, source, value) WHERE identifying",
        [key.kind for key in keys], [key.source for key in keys], [key.value for key in keys],
    )  # fmt: skip
    return {Key(row["kind"], row["source"], row["value"]): row["customer_id"] for row in rows}


async def load_locked(connection: asyncpg.Connection, ids: Collection[UUID]) -> dict[UUID, Profile]:
    """Profiles that live (merged ones do not), locked until the transaction ends."""
    rows = await connection.fetch(
        "SELECT id, kind, name, country, time_zone, attributes::text, provenance::text, version, created_at, "
        "updated_at FROM customers WHERE id = ANY($1::uuid[]) AND survivor_id IS NULL ORDER BY id FOR UPDATE",
        list(ids),
    )  # fmt: skip
    held = await _identifiers_of(connection, ids)
    overrides = await connection.fetch(
        "SELECT customer_id, tier_override, stage_override FROM standings WHERE customer_id = ANY($1::uuid[])",
        list(ids),
    )
    overridden = {row["customer_id"]: row for row in overrides}
    return {row["id"]: _profile(row, held.get(row["id"], ()), overridden.get(row["id"])) for row in rows}


def _profile(row: asyncpg.Record, identifiers: Sequence[Identifier], overrides: asyncpg.Record | None) -> Profile:
    members = dict(row) | {"attributes": _decode(row["attributes"]), "provenance": _decode(row["provenance"])}
    return Profile(
        **members,
        identifiers=tuple(identifiers),
        tier_override=overrides and overrides["tier_override"],
        stage_override=overrides and overrides["stage_override"],
    )


async def _identifiers_of(connection: asyncpg.Connection, ids: Collection[UUID]) -> dict[UUID, list[Identifier]]:
    rows = await connection.fetch(
        "SELECT customer_id, kind, source, value, identifying, known_from, known_at FROM identifiers "
        "WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id, position",
        list(ids),
    )  # fmt: skip
    held: dict[UUID, list[Identifier]] = {}
    for row in rows:
        key = Key(row["kind"], row["source"], row["value"])
        identifier = Identifier(key, row["identifying"], Origin(row["known_from"], row["known_at"]))
        held.setdefault(row["customer_id"], []).append(identifier)
    return held


async def add_profiles(connection: asyncpg.Connection, profiles: Sequence[Profile]) -> None:
    """New profiles, without their identifiers."""
    if profiles:
        await connection.execute(
            "INSERT INTO customers (id, kind, name, country, time_zone, attributes, provenance, search, version, "
            "updated_at, created_at) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], "
            "$6::text[]::jsonb[], $7::text[]::jsonb[], $8::text[], $9::int[], $10::timestamptz[], $11::timestamptz[])",
            *_columns(profiles), [profile.created_at for profile in profiles],
        )  # fmt: skip


async def save_profiles(connection: asyncpg.Connection, profiles: Sequence[Profile]) -> None:
    """Changed profiles, without their identifiers; the caller holds their locks."""
    if profiles:
        await connection.execute(
            "UPDATE customers AS c SET kind = n.kind, name = n.name, country = n.country, time_zone = n.time_zone, "
            "attributes = n.attributes, provenance = n.provenance, search = n.search, version = n.version, "
            "updated_at = n.updated_at FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], "
            "$6::text[]::jsonb[], $7::text[]::jsonb[], $8::text[], $9::int[], $10::timestamptz[]) AS n (id, kind, "
            "name, country, time_zone, attributes, provenance, search, version, updated_at) WHERE c.id = n.id",
            *_columns(profiles),
        )  # fmt: skip


def _columns(profiles: Sequence[Profile]) -> list[list[Any]]:
    return [
        [profile.id for profile in profiles], [profile.kind for profile in profiles],
        [profile.name for profile in profiles], [profile.country for profile in profiles],
        [profile.time_zone for profile in profiles], [_encode(profile.attributes) for profile in profiles],
        [_encode(profile.provenance) for profile in profiles], [profile.search_text for profile in profiles],
        [profile.version for profile in profiles], [profile.updated_at for profile in profiles],
    ]  # fmt: skip


async def add_identifiers(connection: asyncpg.Connection, added: Iterable[tuple[UUID, Identifier, int]]) -> None:
    """Identifiers at their positions in their profiles."""
    rows = list(added)
    if rows:
        await connection.execute(
            "INSERT INTO identifiers (customer_id, kind, source, value, identifying, position, known_from, known_at) "
            "SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bool[], $6::int[], $7::text[], "
            "$8::timestamptz[])",
            [customer_id for customer_id, _, _ in rows],
            [one.key.kind for _, one, _ in rows], [one.key.source for _, one, _ in rows],
            [one.key.value for _, one, _ in rows], [one.identifying for _, one, _ in rows],
            [position for _, _, position in rows],
            [one.origin.source for _, one, _ in rows], [one.origin.at for _, one, _ in rows],
        )  # fmt: skip


async def replace_identifiers(connection: asyncpg.Connection, profile: Profile, *, bare: Collection[UUID] = ()) -> None:
    """Exactly the identifiers that a profile has now; those it may have them from are left with none."""
    await connection.execute("DELETE FROM identifiers WHERE customer_id = ANY($1::uuid[])", [profile.id, *bare])
    await add_identifiers(connection, [(profile.id, one, place) for place, one in enumerate(profile.identifiers)])


async def save_overrides(connection: asyncpg.Connection, profile: Profile, *, at: datetime) -> None:
    """Tier and stage as a person set them, with the change in the history."""
    await connection.execute(
        "WITH changed AS (INSERT INTO standings (customer_id, tier_override, stage_override) VALUES ($1, $2, $3) "
        "ON CONFLICT (customer_id) DO UPDATE SET tier_override = excluded.tier_override, "
        "stage_override = excluded.stage_override RETURNING new.customer_id, old.tier AS tier_before, "
        "new.tier AS tier_after, old.stage AS stage_before, new.stage AS stage_after) "
        "INSERT INTO standing_history (customer_id, measure, before, after, cause, changed_at) "
        "SELECT customer_id, measure, before, after, 'override', $4 FROM changed CROSS JOIN LATERAL (VALUES "
        "('tier', tier_before, tier_after), ('stage', stage_before, stage_after)) AS v (measure, before, after) "
        "WHERE before IS DISTINCT FROM after",
        profile.id, profile.tier_override, profile.stage_override, at,
    )  # fmt: skip


async def bump_versions(connection: asyncpg.Connection, ids: Collection[UUID]) -> dict[UUID, int]:
    """The next version of each profile whose state outside the profile changed."""
    rows = await connection.fetch(
        "WITH locked AS (SELECT id FROM customers WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE) "
        "UPDATE customers AS c SET version = version + 1 FROM locked WHERE c.id = locked.id RETURNING c.id, c.version",
        list(ids),
    )  # fmt: skip
    return {row["id"]: row["version"] for row in rows}
