"""Interactions of unknown customers: the profile is made under the id that the interaction service gave."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from chassis.database import raw_connection
from chassis.outbox import publish
from contracts.customer import CustomerMerged
from customer.domain.profile import Identifier, Key, Origin, Profile
from customer.parts import CustomerParts
from customer.repository import locks, merges, profiles
from customer.service import facts


@dataclass(frozen=True, slots=True)
class Stranger:
    """A customer an interaction named; `key` is the external id, where it was known by one."""

    customer_id: UUID
    key: Key | None
    seen_at: datetime


async def meet(session: AsyncSession, parts: CustomerParts, strangers: Sequence[Stranger], *, backfill: bool) -> None:
    """Make a profile for each customer that has none.

    One whose external id belongs to another profile is that profile: its id becomes an alias, and a merge is told.
    """
    connection = await raw_connection(session)
    known = await profiles.survivors_of(connection, {stranger.customer_id for stranger in strangers})
    if all(stranger.customer_id in known for stranger in strangers):
        return
    keys = {stranger.key for stranger in strangers if stranger.key and stranger.customer_id not in known}
    await locks.lock_keys(connection, keys)
    # Somebody may have registered them while we waited for the lock.
    known = await profiles.survivors_of(connection, {stranger.customer_id for stranger in strangers})
    owners = await profiles.owners_of(connection, keys)
    made: dict[UUID, Profile] = {}
    aliases: dict[UUID, UUID] = {}
    for stranger in strangers:
        if stranger.customer_id in known or stranger.customer_id in made or stranger.customer_id in aliases:
            continue
        if stranger.key is not None and stranger.key in owners:
            aliases[stranger.customer_id] = owners[stranger.key]
            continue
        made[stranger.customer_id] = _profile_of(stranger, parts.clock.system_now())
        if stranger.key is not None:
            owners[stranger.key] = stranger.customer_id
    await _add(session, parts, list(made.values()), backfill=backfill)
    await _alias(session, parts, strangers, aliases)


def _profile_of(stranger: Stranger, now: datetime) -> Profile:
    if stranger.key is None:
        return Profile(stranger.customer_id, now, now)
    origin = Origin(stranger.key.source, stranger.seen_at)
    return Profile(stranger.customer_id, now, now, identifiers=(Identifier(stranger.key, True, origin),))


async def _add(session: AsyncSession, parts: CustomerParts, made: Sequence[Profile], *, backfill: bool) -> None:
    connection = await raw_connection(session)
    await profiles.add_profiles(connection, made)
    await profiles.add_identifiers(connection, [(one.id, held, 0) for one in made for held in one.identifiers])
    for profile in made:
        publish(session, facts.created(profile, parts.settings), backfill=backfill)


async def _alias(
    session: AsyncSession, parts: CustomerParts, strangers: Sequence[Stranger], aliases: dict[UUID, UUID]
) -> None:
    connection = await raw_connection(session)
    now, at = parts.clock.system_now(), parts.clock.business_now()
    keys = {stranger.customer_id: stranger.key for stranger in strangers}
    for alias, owner in aliases.items():
        await profiles.add_profiles(connection, [Profile(alias, now, now)])
        await merges.join(connection, absorbed=alias, survivor=owner)
        merge = merges.Merge(uuid7(), alias, owner, "identity", {}, None)
        await merges.add_merge(connection, merge, merged_at=at, created_at=now)
        shown = facts.external_ids(_profile_of(Stranger(alias, keys[alias], at), now))
        publish(session, CustomerMerged(
            customer_id=alias, merge_id=merge.id, into=owner, external_ids=shown, merged_at=at
        ))  # fmt: skip
