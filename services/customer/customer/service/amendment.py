"""A person changes a profile."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import raw_connection
from chassis.errors import FieldError, Invalid
from chassis.outbox import publish
from customer.domain.amending import amend, contact_keys
from customer.domain.profile import MOST_ATTRIBUTES, Origin, Profile, changed
from customer.errors import CustomerDoesNotExist
from customer.parts import CustomerParts
from customer.repository import locks, profiles
from customer.service import facts

SOURCE = "api"


async def amend_customer(
    session: AsyncSession, parts: CustomerParts, customer_id: UUID, *, changes: Mapping[str, Any],
    require: Callable[[int], None],
) -> None:  # fmt: skip
    """Apply a merge patch; `require` refuses when the present version is not the one the caller read."""
    connection = await raw_connection(session)
    wanted = contact_keys(changes)
    await locks.lock_keys(connection, wanted)
    before = await _load(session, customer_id)
    require(before.version)
    owners = await profiles.owners_of(connection, wanted)
    taken = {key for key, owner in owners.items() if owner != before.id}
    origin = Origin(SOURCE, parts.clock.business_now())
    after = amend(before, changes, origin=origin, taken=taken)
    if len(after.attributes) > MOST_ATTRIBUTES:
        raise Invalid(
            "The customer would have too many attributes.",
            errors=[FieldError("/attributes", f"at most {MOST_ATTRIBUTES} in all")],
        )
    if after != before:
        await _save(session, parts, before, changed(after, now=parts.clock.system_now()))


async def _load(session: AsyncSession, customer_id: UUID) -> Profile:
    connection = await raw_connection(session)
    survivor = await profiles.find_survivor(connection, customer_id)
    loaded = await profiles.load_locked(connection, [survivor] if survivor else [])
    if not loaded:
        raise CustomerDoesNotExist(f"There is no customer {customer_id}.")
    return loaded[survivor]  # type: ignore[index]


async def _save(session: AsyncSession, parts: CustomerParts, before: Profile, after: Profile) -> None:
    connection = await raw_connection(session)
    await profiles.save_profiles(connection, [after])
    if after.identifiers != before.identifiers:
        await profiles.replace_identifiers(connection, after)
    if (after.tier_override, after.stage_override) != (before.tier_override, before.stage_override):
        await profiles.save_overrides(connection, after, at=parts.clock.business_now())
    publish(session, facts.updated(after, parts.settings))
    if after.contact != before.contact:
        publish(session, facts.contact_changed(after))
