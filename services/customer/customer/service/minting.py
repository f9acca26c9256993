"""Interactions of unknown customers: the profile is made under the id that the interaction service gave."""

from collections.abc import Collection, Sequence
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
    backfill: bool = False


async def meet(session: AsyncSession, parts: CustomerParts, strangers: Sequence[Stranger]) -> None:
    """Make a profile for each customer that has none. Called once for a batch: it takes its locks in one order.

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
    made: list[Stranger] = []
    aliases: list[tuple[Stranger, UUID]] = []
    for stranger in _one_each(strangers, known):
        if stranger.key is not None and stranger.key in owners:
            aliases.append((stranger, owners[stranger.key]))
            continue
        made.append(stranger)
        if stranger.key is not None:
            owners[stranger.key] = stranger.customer_id
    await _add(session, parts, made)
    await _alias(session, parts, aliases)


def _one_each(strangers: Sequence[Stranger], known: Collection[UUID]) -> list[Stranger]:
    """The first mention of each unknown customer; one that tells the external id goes before one that does not."""
    first: dict[UUID, Stranger] = {}
    for stranger in sorted(strangers, key=lambda stranger: stranger.key is None):
        if stranger.customer_id not in known:
            first.setdefault(stranger.customer_id, stranger)
    return list(first.values())


def _profile_of(stranger: Stranger, now: datetime) -> Profile:
    if stranger.key is None:
        return Profile(stranger.customer_id, now, now)
    origin = Origin(stranger.key.source, stranger.seen_at)
    return Profile(stranger.customer_id, now, now, identifiers=(Identifier(stranger.key, True, origin),))


async def _add(session: AsyncSession, parts: CustomerParts, strangers: Sequence[Stranger]) -> None:
    connection = await raw_connection(session)
    now = parts.clock.system_now()
    made = [_profile_of(stranger, now) for stranger in strangers]
    await profiles.add_profiles(connection, made)
    await profiles.add_identifiers(connection, [(one.id, held, 0) for one in made for held in one.identifiers])
    for profile, stranger in zip(made, strangers, strict=True):
        publish(session, facts.created(profile, parts.settings), backfill=stranger.backfill)


async def _alias(session: AsyncSession, parts: CustomerParts, aliases: Sequence[tuple[Stranger, UUID]]) -> None:
    connection = await raw_connection(session)
    now, at = parts.clock.system_now(), parts.clock.business_now()
    for stranger, owner in aliases:
        await profiles.add_profiles(connection, [Profile(stranger.customer_id, now, now)])
        await merges.join(connection, absorbed=stranger.customer_id, survivor=owner)
        merge = merges.Merge(uuid7(), stranger.customer_id, owner, "identity", {}, None)
        await merges.add_merge(connection, merge, merged_at=at, created_at=now)
        publish(session, CustomerMerged(
            customer_id=stranger.customer_id, merge_id=merge.id, into=owner,
            external_ids=facts.external_ids(_profile_of(stranger, now)), merged_at=at,
        ))  # fmt: skip
